// Opset imports as lift and lower read them.
#pragma once
#include <limits>
#include <span>
#include <string_view>

#include "ir/core/model.h"

namespace lathe {

// "ai.onnx" is another name of the domain "".
inline std::string_view plain_domain(std::string_view domain) {
  return domain == "ai.onnx" ? std::string_view() : domain;
}

class Opsets {
 public:
  Opsets(std::span<const OpsetImport> imports, int64_t ir_version)
      : imports_(imports), ir_version_(ir_version) {}

  // A domain that is not imported is taken for the newest one, except that models before IR 3 had no imports
  // at all and mean opset 1.
  int64_t of(std::string_view domain) const {
    for (const OpsetImport& o : imports_)
      if (plain_domain(o.domain) == plain_domain(domain)) return o.version;
    return ir_version_ < 3 && plain_domain(domain).empty() && ir_version_ > 0
               ? 1
               : std::numeric_limits<int>::max();
  }

 private:
  std::span<const OpsetImport> imports_;
  int64_t ir_version_;
};

}  // namespace lathe
