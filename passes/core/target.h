// Which runtime the model is for: the one place that knows what kernels a runtime has.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "ir/core/dtype.h"

namespace lathe {

class Target {
 public:
  // "ort-cpu" (default), "ort-web", "standard" (no com.microsoft ops). Unknown names are a usage error.
  static Target named(std::string_view name);
  static std::vector<std::string> names();

  Target() = default;
  const std::string& name() const { return name_; }
  // Is there a kernel for the op on this element type? Standard ops exist from the opset that defines them; a
  // pass that emits one asks Model::require_opset.
  bool has(std::string_view domain, std::string_view type, DType dtype) const;
  bool has_contrib() const { return name_ != "standard"; }

 private:
  std::string name_ = "ort-cpu";
};

}  // namespace lathe
