#include "ir/core/walk.h"

#include <unordered_set>

namespace lathe {

std::vector<GraphId> nested_graphs(const Model& m, GraphId g) {
  std::vector<GraphId> out{g};
  for (size_t i = 0; i < out.size(); ++i)
    for (NodeId n = m[out[i]].first; n; n = m[n].next)
      for (const GraphId s : m.subgraphs(n)) out.push_back(s);
  return out;
}

std::vector<GraphId> all_graphs(const Model& m) {
  std::vector<GraphId> out = nested_graphs(m, m.main());
  for (const Function& f : m.functions)
    for (const GraphId g : nested_graphs(m, f.body)) out.push_back(g);
  return out;
}

void for_each_node(const Model& m, const std::function<void(NodeId)>& body) {
  for (const GraphId g : all_graphs(m))
    for (NodeId n = m[g].first; n;) {
      const NodeId next = m[n].next;
      body(n);
      n = next;
    }
}

std::vector<ValueId> captures(const Model& m, GraphId g) {
  std::vector<ValueId> out;
  std::unordered_set<ValueId> seen;
  for (const GraphId inner : nested_graphs(m, g)) {
    const auto look = [&](ValueId v) {
      if (v && !m.encloses(g, m[v].graph) && seen.insert(v).second) out.push_back(v);
    };
    for (NodeId n = m[inner].first; n; n = m[n].next)
      for (const ValueId v : m[n].in) look(v);
    for (const ValueId v : m[m[inner].ret].in) look(v);
  }
  return out;
}

size_t node_count(const Model& m) {
  size_t count = 0;
  for_each_node(m, [&](NodeId) { ++count; });
  return count;
}

}  // namespace lathe
