// Dead code: nodes, initializers and functions that nothing reads, in subgraphs and function bodies too.
// Inputs and outputs of the model are its interface and stay.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "ir/core/walk.h"
#include "ir/onnx/schema.h"
#include "passes/all_passes.h"

namespace lathe {
namespace {

bool is_dead(const Model& m, const Node& n) {
  // A custom op without outputs is there for its effect.
  if (n.out.empty() && !n.domain.empty()) return false;
  return std::all_of(n.out.begin(), n.out.end(), [&](ValueId v) { return !v || m[v].uses.empty(); });
}

// Inner graphs first, and each from its end: when a node is looked at, its readers have been.
void drop_nodes(PassContext& ctx) {
  Model& m = ctx.model;
  std::vector<GraphId> graphs = all_graphs(m);
  std::reverse(graphs.begin(), graphs.end());
  for (const GraphId g : graphs) {
    for (NodeId n = m[g].last; n;) {
      const NodeId previous = m[n].prev;
      if (is_dead(m, m[n])) {
        if (!ctx.spend("dead-node", node_label(m, n), fmt::format("nothing reads this {}", m[n].type)))
          return;
        m.erase(n);
      }
      n = previous;
    }
  }
}

// Only where the schema has the output as optional; those of a variadic list (Split) count by position.
void drop_optional_outputs(PassContext& ctx) {
  Model& m = ctx.model;
  constexpr int kVariadic = 1000;
  for_each_node(m, [&](NodeId n) {
    if (m[n].out.size() < 2 || !m.subgraphs(n).empty() || m.function(m[n]) != nullptr) return;
    const Schema* schema = find_schema(m[n].domain, m[n].type, newest_opset(m[n].domain));
    if (schema == nullptr || schema->max_outputs >= kVariadic) return;
    for (size_t i = static_cast<size_t>(std::max(schema->min_outputs, 1)); i < m[n].out.size(); ++i) {
      const ValueId v = m[n].out[i];
      if (!v || !m[v].uses.empty()) continue;
      if (!ctx.spend("unused-output", node_label(m, n),
                     fmt::format("output '{}' is optional and unread", m[v].name)))
        return;
      m.drop_output(n, i);
    }
  });
}

void drop_initializers(PassContext& ctx) {
  Model& m = ctx.model;
  for (const GraphId g : all_graphs(m)) {
    std::vector<ValueId> unread;
    for (const auto* list : {&m[g].initializers, &m[g].sparse_initializers})
      for (const ValueId v : *list)
        if (!m[v].def && m[v].uses.empty()) unread.push_back(v);
    for (const ValueId v : unread) {
      if (!ctx.spend("unused-initializer", m[v].name, "nothing reads it")) return;
      m.erase_initializer(v);
    }
  }
}

void drop_body(Model& m, GraphId g) {
  m.truncate_inputs(m[g].ret, 0);
  while (m[g].last) m.erase(m[g].last);
}

void drop_functions(PassContext& ctx) {
  Model& m = ctx.model;
  if (m.functions.empty()) return;
  std::set<GraphId> called;
  std::vector<GraphId> todo{m.main()};
  while (!todo.empty()) {
    const GraphId root = todo.back();
    todo.pop_back();
    for (const GraphId g : nested_graphs(m, root))
      for (NodeId n = m[g].first; n; n = m[n].next)
        if (const Function* f = m.function(m[n]); f != nullptr && called.insert(f->body).second)
          todo.push_back(f->body);
  }
  for (size_t i = 0; i < m.functions.size();) {
    if (called.contains(m.functions[i].body)) {
      ++i;
      continue;
    }
    if (!ctx.spend("unused-function", m.functions[i].name, "nothing calls it")) return;
    drop_body(m, m.functions[i].body);
    m.functions.erase(m.functions.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

void drop_opsets(PassContext& ctx) {
  Model& m = ctx.model;
  std::set<std::string> used{""};
  for_each_node(m, [&](NodeId n) { used.insert(m[n].domain); });
  for (size_t i = 0; i < m.info.opsets.size();) {
    const std::string domain = m.info.opsets[i].domain;
    if (used.contains(domain)) {
      ++i;
      continue;
    }
    if (!ctx.spend("unused-opset", domain, "no node is of this domain")) return;
    m.info.opsets.erase(m.info.opsets.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

}  // namespace

PassDef dce() {
  return {.name = "dce",
          .group = "cleanup",
          .summary = "Remove nodes, initializers, functions and optional outputs that nothing reads",
          .options = {{"opsets", "also remove opset imports that no node uses", "false"}},
          .run = [](PassContext& ctx, const PassOptions& options) {
            drop_functions(ctx);
            drop_nodes(ctx);
            drop_optional_outputs(ctx);
            drop_initializers(ctx);
            if (options.flag("opsets")) drop_opsets(ctx);
          }};
}

}  // namespace lathe
