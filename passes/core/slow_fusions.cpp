#include "passes/core/slow_fusions.h"

#include <fmt/format.h>

#include <array>

namespace lathe {
namespace {

struct SlowFusion {
  std::string_view target, type, than;
};

// Measured with onnxruntime 1.31.1, float32, 16 and 128 rows of 384 (Gelu 1536): docs/rationale.md.
constexpr std::array kSlow = {
    SlowFusion{"ort-cpu", "SkipLayerNormalization", "4 to 5 times as long as Sum and LayerNormalization"},
    SlowFusion{"ort-cpu", "SkipSimplifiedLayerNormalization", "twice as long as Sum and RMSNormalization"},
    SlowFusion{"ort-cpu", "BiasGelu", "1.25 times as long as Sum and Gelu"},
};

}  // namespace

std::optional<std::string> slow_fusion(const Target& target, std::string_view type, DType dtype) {
  if (dtype != DType::F32) return std::nullopt;
  for (const SlowFusion& s : kSlow)
    if (s.target == target.name() && s.type == type)
      return fmt::format("on target {} {} takes {}", s.target, s.type, s.than);
  return std::nullopt;
}

}  // namespace lathe
