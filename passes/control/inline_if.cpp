// If with a constant condition becomes the branch that is taken. The branch's own nodes are moved, not
// remade, so there is nothing to run. Values that a branch only passes on from outside stand for themselves.
#include <fmt/format.h>

#include "ir/core/walk.h"
#include "passes/all_passes.h"
#include "passes/core/facts.h"

namespace lathe {
namespace {

// nullopt: not known. From a constant, or from shape analysis ("dim == the same dim").
std::optional<bool> condition(const PassContext& ctx, NodeId n) {
  const auto c = const_ints(ctx, ctx.model[n].input(0));
  if (!c || c->size() != 1) return std::nullopt;
  return (*c)[0] != 0;
}

void take_branch(Model& m, NodeId n, GraphId branch) {
  const GraphId parent = m[n].parent;
  const std::vector<ValueId> initializers = m[branch].initializers;
  for (const ValueId v : initializers) {
    Tensor t = *m[v].constant;
    const ValueId made = m.add_initializer(parent, std::move(t), m[v].name);
    m.replace_uses(v, made);
    m.erase_initializer(v);
  }
  const std::vector<ValueId> sparse = m[branch].sparse_initializers;
  for (const ValueId v : sparse) {
    const ValueId made = m.add_sparse_initializer(parent, SparseTensor(*m[v].sparse), m[v].name);
    m.replace_uses(v, made);
    m.erase_initializer(v);
  }
  for (const NodeId inner : m.nodes(branch)) m.place(inner, parent, n);
  const std::vector<ValueId> out = m[n].out, results = m.outputs(branch);
  for (size_t i = 0; i < out.size() && i < results.size(); ++i) {
    if (!out[i]) continue;
    if (m[out[i]].type.known() && !m[results[i]].type.known()) m.set_type(results[i], Type(m[out[i]].type));
    m.replace_uses(out[i], results[i]);
  }
  m.erase(n);
}

}  // namespace

PassDef inline_if() {
  return {.name = "inline-if",
          .group = "control",
          .summary = "Replace If by the branch that a constant condition takes",
          .run = [](PassContext& ctx, const PassOptions&) {
            Model& m = ctx.model;
            // A branch that was moved may hold an If of its own; it is met on the way.
            const std::vector<GraphId> graphs = nested_graphs(m, m.main());
            for (const GraphId g : graphs)
              for (NodeId n = m[g].first; n;) {
                const auto taken = m[n].is("If") ? condition(ctx, n) : std::nullopt;
                const NodeId before = m[n].prev;
                const GraphId branch =
                    taken ? m[n].attrs.graph(*taken ? "then_branch" : "else_branch") : GraphId{};
                if (!branch) {
                  n = m[n].next;
                  continue;
                }
                if (!ctx.spend("inline-if", node_label(m, n),
                               fmt::format("the condition is always {}", *taken ? "true" : "false")))
                  return;
                take_branch(m, n, branch);
                n = before ? m[before].next : m[g].first;
              }
          }};
}

}  // namespace lathe
