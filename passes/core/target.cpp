#include "passes/core/target.h"

#include <algorithm>
#include <array>

#include "ir/base/error.h"

namespace lathe {
namespace {

// com.microsoft kernels by runtime, from onnxruntime's docs/OperatorKernels.md (CPU) and js/web/docs
// (WebAssembly is the CPU provider built with the same contrib ops). F16: the CPU provider inserts casts
// around float kernels, so a float kernel is enough.
struct Kernel {
  std::string_view type;
  bool cpu, web;
};
constexpr std::array kContrib = {
    Kernel{"Attention", true, true},
    Kernel{"BiasGelu", true, true},
    Kernel{"DynamicQuantizeLSTM", true, true},
    Kernel{"DynamicQuantizeMatMul", true, true},
    Kernel{"EmbedLayerNormalization", true, true},
    Kernel{"FastGelu", true, true},
    Kernel{"FusedConv", true, true},
    Kernel{"FusedGemm", true, true},
    Kernel{"FusedMatMul", true, true},
    Kernel{"GatherBlockQuantized", true, true},
    Kernel{"Gelu", true, true},
    Kernel{"GroupQueryAttention", true, true},
    Kernel{"MatMulIntegerToFloat", true, true},
    Kernel{"MatMulNBits", true, true},
    Kernel{"MultiHeadAttention", true, true},
    Kernel{"QAttention", true, true},
    Kernel{"QGemm", true, true},
    Kernel{"QLinearAdd", true, true},
    Kernel{"QLinearAveragePool", true, true},
    Kernel{"QLinearConcat", true, true},
    Kernel{"QLinearGlobalAveragePool", true, true},
    Kernel{"QLinearLeakyRelu", true, true},
    Kernel{"QLinearMul", true, true},
    Kernel{"QLinearSigmoid", true, true},
    Kernel{"QuickGelu", true, true},
    Kernel{"RotaryEmbedding", true, true},
    Kernel{"SkipLayerNormalization", true, true},
    Kernel{"SkipSimplifiedLayerNormalization", true, true},
    Kernel{"SimplifiedLayerNormalization", true, true},
};

}  // namespace

std::vector<std::string> Target::names() { return {"ort-cpu", "ort-web", "standard"}; }

Target Target::named(std::string_view name) {
  const auto all = names();
  if (std::find(all.begin(), all.end(), name) == all.end())
    fail_usage("unknown target '{}' (known: ort-cpu, ort-web, standard)", name);
  Target t;
  t.name_ = name;
  return t;
}

bool Target::has(std::string_view domain, std::string_view type, DType dtype) const {
  const bool float_like = dtype == DType::F32 || dtype == DType::F16;
  if (domain.empty()) return true;
  if (domain != "com.microsoft" || !has_contrib() || !float_like) return false;
  const auto it =
      std::find_if(kContrib.begin(), kContrib.end(), [&](const Kernel& k) { return k.type == type; });
  return it != kContrib.end() && (name_ == "ort-web" ? it->web : it->cpu);
}

}  // namespace lathe
