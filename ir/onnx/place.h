// Where in a file an error happened: scopes that an exception passes through leave their names in a trace.
#pragma once
#include <exception>
#include <string>
#include <string_view>

#include "ir/base/quote.h"

namespace lathe {

class PlaceScope {
 public:
  // kind and op point to text that outlives the scope: nothing is built unless an exception passes.
  PlaceScope(std::string& trace, std::string_view kind, std::string_view name, std::string_view op = {})
      : trace_(trace), kind_(kind), name_(name), op_(op), exceptions_(std::uncaught_exceptions()) {}
  ~PlaceScope() {
    if (std::uncaught_exceptions() == exceptions_) return;
    try {
      std::string text(kind_);
      if (!name_.empty()) text += ' ' + quote(name_);
      if (!op_.empty()) text += " (" + quote(op_, 40) + ")";
      trace_ = trace_.empty() ? text : text + ", " + trace_;
    } catch (...) {  // NOLINT(bugprone-empty-catch): out of memory while unwinding, the place goes untold
    }
  }
  PlaceScope(const PlaceScope&) = delete;
  PlaceScope& operator=(const PlaceScope&) = delete;

 private:
  std::string& trace_;
  std::string_view kind_, name_, op_;
  int exceptions_;
};

}  // namespace lathe
