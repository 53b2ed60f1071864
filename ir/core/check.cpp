#include "ir/core/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "ir/core/walk.h"

namespace lathe {

std::vector<std::string> check_invariants(const Model& m) {
  std::vector<std::string> errors;
  const auto report = [&]<class... A>(fmt::format_string<A...> f, A&&... a) {
    errors.push_back(fmt::format(f, std::forward<A>(a)...));
  };
  const auto label = [&](NodeId n) { return fmt::format("{} '{}' #{}", m[n].type, m[n].name, n.v); };

  std::unordered_map<ValueId, std::vector<Use>> uses;
  std::unordered_set<ValueId> defined;
  for (const GraphId g : all_graphs(m)) {
    const Graph& graph = m[g];
    if (m[graph.params].out.size() != graph.inputs.size())
      report("graph {}: inputs and ports differ in number", g.v);
    if (m[graph.ret].in.size() != graph.outputs.size())
      report("graph {}: outputs and ports differ in number", g.v);
    for (const ValueId v : m[graph.params].out) defined.insert(v);
    for (const auto* list : {&graph.initializers, &graph.sparse_initializers})
      for (const ValueId v : *list) {
        defined.insert(v);
        if (m[v].erased) report("graph {}: erased initializer '{}' is listed", g.v, m[v].name);
        if (m[v].graph != g) report("graph {}: initializer '{}' belongs elsewhere", g.v, m[v].name);
      }
    NodeId prev;
    for (NodeId n = graph.first; n; prev = n, n = m[n].next) {
      if (m[n].parent != g || m[n].prev != prev || m[n].erased) report("{}: broken node list", label(n));
    }
    if (graph.last != prev) report("graph {}: broken list end", g.v);
  }
  // Order: a node's inputs (captures of its subgraphs too) are defined before it. Nested graphs are visited
  // at their owner, so a plain walk in order suffices.
  std::vector<std::pair<GraphId, NodeId>> stack;
  const auto visit_graph = [&](GraphId root) {
    stack.push_back({root, m[root].first});
    while (!stack.empty()) {
      auto& [g, n] = stack.back();
      if (!n) {
        for (size_t i = 0; i < m[m[g].ret].in.size(); ++i) {
          const ValueId v = m[m[g].ret].in[i];
          uses[v].push_back({m[g].ret, static_cast<uint32_t>(i)});
          if (v && !defined.contains(v)) report("graph {}: output '{}' is undefined", g.v, m[v].name);
        }
        stack.pop_back();
        continue;
      }
      const NodeId node = n;
      n = m[node].next;
      for (size_t i = 0; i < m[node].in.size(); ++i) {
        const ValueId v = m[node].in[i];
        if (!v) continue;
        uses[v].push_back({node, static_cast<uint32_t>(i)});
        if (!defined.contains(v))
          report("{}: input '{}' is used before its definition", label(node), m[v].name);
        if (!m.encloses(m[v].graph, m[node].parent))
          report("{}: input '{}' is out of scope", label(node), m[v].name);
      }
      for (size_t i = 0; i < m[node].out.size(); ++i) {
        const ValueId v = m[node].out[i];
        if (!v) continue;
        if (m[v].def != node || m[v].slot != i || m[v].graph != m[node].parent)
          report("{}: output {} does not point back", label(node), i);
        if (!defined.insert(v).second) report("{}: output '{}' is defined twice", label(node), m[v].name);
      }
      const auto inner = m.subgraphs(node);
      for (auto it = inner.rbegin(); it != inner.rend(); ++it) {
        if (m[*it].owner != node) report("{}: subgraph {} has another owner", label(node), it->v);
        stack.push_back({*it, m[*it].first});
      }
    }
  };
  visit_graph(m.main());
  for (const Function& f : m.functions) visit_graph(f.body);

  for (uint32_t i = 0; i < m.value_capacity(); ++i) {
    const ValueId v{i};
    std::vector<Use> recorded;
    for (const Use& u : m[v].uses)  // floating nodes are not in the graph yet
      if (m.is_hidden(u.node) || m[u.node].parent) recorded.push_back(u);
    auto expected = uses.contains(v) ? uses[v] : std::vector<Use>{};
    std::sort(recorded.begin(), recorded.end());
    std::sort(expected.begin(), expected.end());
    if (recorded != expected) report("value '{}' #{}: use list is not exact", m[v].name, i);
  }
  return errors;
}

}  // namespace lathe
