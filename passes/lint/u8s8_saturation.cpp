#include <algorithm>
#include <array>
#include <optional>

#include "ir/core/walk.h"
#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {
namespace {

// An op that multiplies 8-bit integers: its operands' places.
struct Product {
  const char *domain, *type;
  size_t a, b;
  bool dynamic = false;  // the activations are quantized inside, to uint8
};
constexpr std::array kProducts = {
    Product{"", "MatMulInteger", 0, 1},
    Product{"", "ConvInteger", 0, 1},
    Product{"", "QLinearMatMul", 0, 3},
    Product{"", "QLinearConv", 0, 3},
    Product{"com.microsoft", "DynamicQuantizeMatMul", 0, 1, true},
    Product{"com.microsoft", "MatMulIntegerToFloat", 0, 1},
    Product{"com.microsoft", "QAttention", 0, 1},
    Product{"com.microsoft", "QGemm", 0, 3},
    // Between DequantizeLinear nodes, which runtimes fuse into the ones above.
    Product{"", "MatMul", 0, 1},
    Product{"", "Gemm", 0, 1},
    Product{"", "Conv", 0, 1},
};

// The quantized value behind a DequantizeLinear, or v itself.
ValueId quantized(const Model& m, ValueId v) {
  return v && m[v].def && m[m[v].def].is("DequantizeLinear") ? m[m[v].def].input(0) : v;
}

struct Pairs {
  int64_t all = 0, wide = 0;
};

// Neighbours along the inner axis: `rows` runs of `k` elements `stride` apart.
Pairs count_pairs(const Tensor& t, bool inner_last) {
  Pairs p;
  const auto* w = reinterpret_cast<const int8_t*>(t.bytes().data());
  const int64_t count = t.count();
  if (t.rank() < 2 || count == 0) return p;
  int64_t k = inner_last ? count / t.dims[0] : t.dims[t.dims.size() - 2];
  if (inner_last && t.rank() == 2) k = t.dims[1];
  const int64_t stride = inner_last ? 1 : t.dims.back(), run = k * stride;
  for (int64_t base = 0; base + run <= count; base += run)
    for (int64_t i = 0; i + 1 < k; i += 2)
      for (int64_t j = 0; j < stride; ++j) {
        // NOLINTNEXTLINE(bugprone-signed-char-misuse): numbers, not characters
        const int a = w[base + i * stride + j], b = w[base + (i + 1) * stride + j];
        const int up = std::max(a, 0) + std::max(b, 0), down = std::min(a, 0) + std::min(b, 0);
        ++p.all;
        p.wide += 255 * up > 32767 || 255 * down < -32768 ? 1 : 0;
      }
  return p;
}

void run(Context& c) {
  if (c.target().name() != "ort-cpu") return;
  const Model& m = c.model();
  for_each_node(m, [&](NodeId n) {
    const Node& node = m[n];
    const auto it = std::find_if(kProducts.begin(), kProducts.end(),
                                 [&](const Product& p) { return node.is(p.type, p.domain); });
    if (it == kProducts.end()) return;
    const ValueId a = quantized(m, node.input(it->a)), b = quantized(m, node.input(it->b));
    const Tensor* w = b ? m.constant(b) : nullptr;
    if (w == nullptr || w->dtype != DType::I8 || w->byte_size() == 0 || w->rank() < 2) return;
    if (!it->dynamic && !(a && m[a].type.is_tensor() && m[a].type.dtype == DType::U8)) return;
    const bool conv = node.type.find("Conv") != std::string::npos;
    const Pairs p = count_pairs(*w, conv || node.attrs.i("transB", 0) != 0);
    if (p.wide == 0) return;
    c.at_node(n, fmt::format("{:.2g}% of the pairs in its weights add up to more than 128",
                             100.0 * static_cast<double>(p.wide) / static_cast<double>(p.all)));
  });
}

}  // namespace

LintDef u8s8_saturation() {
  return {
      .id = "u8s8-saturation",
      .group = "quantization",
      .summary = "8-bit products that saturate on CPUs without VNNI",
      .help =
          "On x86 without VNNI uint8 activations times int8 weights go through vpmaddubsw, which adds two "
          "neighbouring products in 16 bits and saturates: results are wrong there and right "
          "elsewhere. It can happen where two neighbours along the inner axis add up to more than 128 "
          "in magnitude and the activations are large. Weights of 7 bits never do. Only for ort-cpu.",
      .fix = "quantize with reduced range (7 bits), or with uint8 weights",
      .reads_weights = true,
      .run = run};
}

}  // namespace lathe::lint
