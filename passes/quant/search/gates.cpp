#include "passes/quant/search/gates.h"

#include "passes/core/builder.h"
#include "passes/quant/static/codes.h"

namespace lathe {
namespace {

ValueId rounded_by_blocks(Builder& b, ValueId x, int64_t k) {
  constexpr float kLargestCode = 127, kLeastScale = 1e-30f;
  const ValueId cells = b.op("Reshape", {x, b.ints({-1, k / kGateBlock, kGateBlock}, "gate_cells")});
  const ValueId largest =
      b.op("ReduceMax", {b.op("Abs", {cells}), b.ints({-1}, "gate_axis")}, attrs({{"keepdims", int64_t{1}}}));
  const ValueId scale = b.op(
      "Max", {b.op("Div", {largest, b.constant(Tensor::full(DType::F32, {}, kLargestCode), "gate_codes")}),
              b.constant(Tensor::full(DType::F32, {}, kLeastScale), "gate_least")});
  const ValueId codes = b.op("Round", {b.op("Div", {cells, scale})});
  return b.op("Reshape", {b.op("Mul", {codes, scale}), b.op("Shape", {x})});
}

}  // namespace

std::map<NodeId, Gates> add_gates(Model& m, ShapeValues& values, const std::vector<WeightSite>& sites,
                                  const std::map<ValueId, CodeRange>* ranges) {
  std::map<NodeId, Gates> gates;
  for (const WeightSite& s : sites) {
    if (s.kind != WeightSite::Kind::product || !s.refusal.empty() || s.weight->dtype != DType::F32 ||
        m[s.node].parent != m.main() || m[s.node].input(0) != s.input)
      continue;
    if (ranges != nullptr && !ranges->contains(s.input)) continue;
    Builder b(m, values, s.node);
    Gates g;
    g.whole = b.constant(Tensor::full(DType::Bool, {}, 0), "gate");
    std::vector<ValueId> rounded;
    if (ranges != nullptr) {
      const Codes c = codes_of(ranges->at(s.input), DType::U8, false);
      const ValueId scale = b.constant(c.scale, "gate_scale"), zero = b.constant(c.zero, "gate_zero");
      rounded = {b.op("QuantizeLinear", {s.input, scale, zero}), scale, zero};
    } else {
      rounded = b.ops("DynamicQuantizeLinear", {s.input}, {}, 3);
    }
    ValueId x = b.op("Where", {g.whole, b.op("DequantizeLinear", rounded), s.input});
    if (s.k() % kGateBlock == 0) {
      g.blocks = b.constant(Tensor::full(DType::Bool, {}, 0), "gate_blocks");
      x = b.op("Where", {g.blocks, rounded_by_blocks(b, s.input, s.k()), x});
    }
    for (const NodeId n : b.made()) m.place(n, m.main(), s.node);
    m.set_input(s.node, 0, x);
    gates[s.node] = g;
  }
  return gates;
}

}  // namespace lathe
