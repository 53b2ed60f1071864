#include "ir/core/order.h"

#include <boost/graph/dominator_tree.hpp>
#include <boost/graph/reverse_graph.hpp>
#include <boost/graph/topological_sort.hpp>
#include <unordered_map>
#include <unordered_set>

#include "ir/core/bgl.h"
#include "ir/core/label.h"

namespace lathe {
namespace {

bool in_order(const Model& m, GraphId g) {
  std::unordered_set<ValueId> later;  // values of nodes not yet passed
  for (NodeId n = m[g].first; n; n = m[n].next)
    for (const ValueId v : m[n].out)
      if (v) later.insert(v);
  for (NodeId n = m[g].first; n; n = m[n].next) {
    for (const ValueId v : m[n].in)
      if (v && later.contains(v)) return false;
    for (const GraphId s : m.subgraphs(n))
      for (const ValueId v : captures(m, s))
        if (later.contains(v)) return false;
    for (const ValueId v : m[n].out) later.erase(v);
  }
  return true;
}

// Lengauer-Tarjan on a graph whose edges lead away from `entry`.
template <class Graph>
std::unordered_map<NodeId, NodeId> dominator_tree(const Graph& graph, const std::vector<uint32_t>& nodes,
                                                  NodeId entry) {
  std::unordered_map<uint32_t, size_t> index;
  for (size_t i = 0; i < nodes.size(); ++i) index[nodes[i]] = i;
  constexpr uint32_t kNone = ~0u;
  std::vector<uint32_t> parent(nodes.size(), kNone);
  std::vector<size_t> times(nodes.size());
  std::vector<uint32_t> parents(nodes.size(), kNone), by_time(nodes.size(), kNone);
  const auto index_map = boost::make_assoc_property_map(index);
  const auto at = [&](auto& v) { return boost::make_iterator_property_map(v.begin(), index_map); };
  boost::lengauer_tarjan_dominator_tree(graph, entry.v, index_map, at(times), at(parents), by_time,
                                        at(parent));
  std::unordered_map<NodeId, NodeId> out;
  for (size_t i = 0; i < nodes.size(); ++i)
    if (parent[i] != kNone) out[NodeId{nodes[i]}] = NodeId{parent[i]};
  return out;
}

}  // namespace

std::unordered_map<NodeId, NodeId> dominators(const Model& m, GraphId g) {
  const DependencyGraph graph(m, g, DependencyGraph::Ports::with);
  return dominator_tree(boost::make_reverse_graph(graph), graph.nodes(), m[g].params);
}

std::unordered_map<NodeId, NodeId> post_dominators(const Model& m, GraphId g) {
  const DependencyGraph graph(m, g, DependencyGraph::Ports::with);
  return dominator_tree(graph, graph.nodes(), m[g].ret);
}

std::vector<NodeId> topological_order(const Model& m, GraphId g) {
  const DependencyGraph graph(m, g);
  std::vector<NodeId> order;
  order.reserve(graph.nodes().size());
  std::unordered_map<uint32_t, boost::default_color_type> colors;
  for (const uint32_t n : graph.nodes()) colors[n] = boost::white_color;
  std::vector<uint32_t> finished;
  try {
    // Edges point at dependencies, so nodes finish after what they read; visiting in list order keeps a valid
    // order.
    boost::topological_sort(graph, std::back_inserter(finished),
                            boost::color_map(boost::make_assoc_property_map(colors)));
  } catch (const boost::not_a_dag&) {
    for (const uint32_t n : graph.nodes())
      if (colors[n] == boost::gray_color) fail("{} is part of a cycle", node_place(m, m[NodeId{n}]));
    fail("the graph has a cycle");
  }
  for (const uint32_t n : finished) order.push_back(NodeId{n});
  return order;
}

bool restore_order(Model& m, GraphId g) {
  if (in_order(m, g)) return false;
  for (const NodeId n : topological_order(m, g)) m.place(n, g);
  return true;
}

}  // namespace lathe
