#include "passes/quant/search/gates.h"

#include "passes/core/builder.h"

namespace lathe {

std::map<NodeId, ValueId> add_gates(Model& m, ShapeValues& values, const std::vector<WeightSite>& sites) {
  std::map<NodeId, ValueId> gates;
  for (const WeightSite& s : sites) {
    if (s.kind != WeightSite::Kind::product || !s.refusal.empty() || s.weight->dtype != DType::F32 ||
        m[s.node].parent != m.main() || m[s.node].input(0) != s.input)
      continue;
    Builder b(m, values, s.node);
    const ValueId gate = b.constant(Tensor::full(DType::Bool, {}, 0), "gate");
    const std::vector<ValueId> rounded = b.ops("DynamicQuantizeLinear", {s.input}, {}, 3);
    const ValueId x = b.op("Where", {gate, b.op("DequantizeLinear", rounded), s.input});
    for (const NodeId n : b.made()) m.place(n, m.main(), s.node);
    m.set_input(s.node, 0, x);
    gates[s.node] = gate;
  }
  return gates;
}

}  // namespace lathe
