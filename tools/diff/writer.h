#pragma once
#include <fmt/format.h>

#include <iterator>
#include <string>
#include <utility>

namespace lathe::cli {

// What the sections of a report are appended to.
class Writer {
 protected:
  template <class... Args>
  void put(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
  }

  std::string out_;
};

}  // namespace lathe::cli
