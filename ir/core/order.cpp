#include "ir/core/order.h"

#include <boost/graph/topological_sort.hpp>
#include <unordered_map>
#include <unordered_set>

#include "ir/core/bgl.h"

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

}  // namespace

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
      if (colors[n] == boost::gray_color)
        fail("node '{}' ({}) is part of a cycle", m[NodeId{n}].name, m[NodeId{n}].type);
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
