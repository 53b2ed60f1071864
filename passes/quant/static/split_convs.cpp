// com.microsoft FusedConv (x, w, bias, z)  =>  activation (Add (Conv (x, w, bias), z)): static quantization
// knows Conv.
#include "ir/core/walk.h"
#include "passes/quant/static/static.h"

namespace lathe {
namespace {

constexpr const char* kContrib = "com.microsoft";

ValueId activated(Builder& b, ValueId y, const std::string& name, const std::vector<float>& given) {
  const auto param = [&](size_t i, float otherwise) { return i < given.size() ? given[i] : otherwise; };
  if (name.empty()) return y;
  if (name == "Relu" || name == "Sigmoid" || name == "Tanh") return b.op(name, {y});
  if (name == "LeakyRelu") return b.op(name, {y}, attrs({{"alpha", param(0, 0.01f)}}));
  if (name == "HardSigmoid")
    return b.op(name, {y}, attrs({{"alpha", param(0, 0.2f)}, {"beta", param(1, 0.5f)}}));
  if (name == "Clip" && given.size() == 2)
    return b.op(name, {y, b.scalar(DType::F32, given[0], "min"), b.scalar(DType::F32, given[1], "max")});
  return {};
}

}  // namespace

void split_convolutions(PassContext& ctx) {
  Model& m = ctx.model;
  for (const GraphId g : nested_graphs(m, m.main()))
    for (const NodeId n : m.nodes(g)) {
      const Node node = m[n];
      if (!node.is("FusedConv", kContrib) || ctx.out_of_fuel()) continue;
      if (m[node.out[0]].type.dtype != DType::F32) continue;
      Attrs a = node.attrs;
      const std::string name = a.s("activation", "");
      const std::vector<float> params = a.floats("activation_params", {});
      a.erase("activation");
      a.erase("activation_params");
      Builder b(m, ctx.values, n);
      std::vector<ValueId> in = {node.in[0], node.in[1]};
      if (node.input(2)) in.push_back(node.in[2]);
      ValueId y = b.op("Conv", in, std::move(a));
      if (node.input(3)) y = b.op("Add", {y, node.in[3]});
      y = activated(b, y, name, params);
      if (!y) {
        b.discard();
        continue;
      }
      ctx.commit(b, {.rule = "split-fused-conv",
                     .root = n,
                     .taken = {n},
                     .replace = {{node.out[0], y}},
                     .what = "its parts have kernels on codes"});
    }
}

}  // namespace lathe
