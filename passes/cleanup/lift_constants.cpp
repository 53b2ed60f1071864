// Constant nodes become initializers of their graph: fewer nodes, and every tool finds weights in one place.
#include "ir/core/walk.h"
#include "passes/all_passes.h"

namespace lathe {
namespace {

void lift(PassContext& ctx, NodeId n) {
  Model& m = ctx.model;
  const ValueId v = m[n].output(0);
  if (!m[n].is("Constant") || !v || m.is_graph_output(v)) return;
  const TensorPtr t = m.constant_ptr(v);
  if (t == nullptr) return;  // sparse, or an attribute of the enclosing function
  if (!ctx.spend("constant-node", node_label(m, n), "became an initializer")) return;
  Tensor tensor = *t;
  tensor.name.clear();
  const Type type = m[v].type;
  const ValueId made = m.add_initializer(m[n].parent, std::move(tensor), m[v].name);
  m.set_type(made, type.known() ? type : m[made].type);
  if (const auto known = ctx.values.find(v); known != ctx.values.end())
    ctx.values.emplace(made, Shape(known->second));
  m.replace_uses(v, made);
  m.erase(n);
}

}  // namespace

PassDef lift_constants() {
  return {.name = "lift-constants",
          .group = "cleanup",
          .summary = "Turn Constant nodes into initializers",
          .run = [](PassContext& ctx, const PassOptions&) {
            for (const GraphId g : nested_graphs(ctx.model, ctx.model.main()))
              for (const NodeId n : ctx.model.nodes(g)) {
                if (ctx.out_of_fuel()) return;
                lift(ctx, n);
              }
          }};
}

}  // namespace lathe
