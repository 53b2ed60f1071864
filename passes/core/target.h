// Which runtime the model is for: the one place that knows what kernels a runtime has.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "passes/core/kernel_table.h"

namespace lathe {

class Target {
 public:
  // "ort-cpu" (default), "ort-web" (WebAssembly), "ort-cuda", "coreml" and "tensorrt" (onnxruntime's
  // providers), "standard" (no com.microsoft ops). Unknown names are a usage error.
  static Target named(std::string_view name);
  static std::vector<std::string> names();

  Target() = default;
  const std::string& name() const { return name_; }
  // Its kernels; null for "standard", which is no runtime.
  const KernelTable* kernels() const;
  // Are kernels missing for good? Elsewhere the CPU provider takes what the target leaves.
  bool is_cpu() const { return name_ == "ort-cpu" || name_ == "ort-web"; }
  // Is there a kernel for the op on this element type? Standard ops exist from the opset that defines them; a
  // pass that emits one asks Model::require_opset.
  bool has(std::string_view domain, std::string_view type, DType dtype) const;
  // The same without the fused ops that it computes slower than their parts (slow_fusions.h).
  Target only_faster() const;
  bool has_contrib() const { return name_ != "standard"; }

 private:
  std::string name_ = "ort-cpu";
  bool only_faster_ = false;
};

}  // namespace lathe
