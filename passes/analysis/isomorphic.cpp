#include "passes/analysis/isomorphic.h"

#include <algorithm>
#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/vf2_sub_graph_iso.hpp>
#include <unordered_map>
#include <vector>

#include "ir/base/hash.h"
#include "passes/analysis/roles_match.h"

namespace lathe::roles {
namespace {

constexpr size_t kMostNodes = 4000;  // VF2's lists of candidates take quadratic time

// Weisfeiler-Leman colors: once from the operands on, once more from the readers on. Nodes that correspond in
// some isomorphism have the same.
struct Colors {
  std::vector<uint64_t> of;  // by place in `nodes`
  std::vector<std::pair<uint32_t, uint32_t>> edges;
  std::vector<uint64_t> slots;  // of the edges: which output goes to which operands
};

uint64_t own_hash(const Model& m, NodeId id) {
  const Node& n = m[id];
  uint64_t h = hash_combine(hash_string(n.type), hash_string(n.domain));
  uint64_t attrs = 0;  // in any order
  for (const Attr& a : n.attrs.items())
    if (kind_of(a.value) != AttrKind::String) attrs += hash_combine(hash_string(a.name), hash_value(a.value));
  return hash_combine(hash_combine(h, attrs), n.in.size());
}

Colors color(const Model& m, std::span<const NodeId> nodes) {
  std::unordered_map<NodeId, uint32_t> place;
  for (uint32_t i = 0; i < nodes.size(); ++i) place[nodes[i]] = i;
  Colors c;
  std::vector<std::unordered_map<uint32_t, uint64_t>> into(nodes.size());
  for (uint32_t i = 0; i < nodes.size(); ++i) {
    uint64_t h = own_hash(m, nodes[i]);
    const auto& in = m[nodes[i]].in;
    for (size_t slot = 0; slot < in.size(); ++slot) {
      const ValueId v = in[slot];
      uint64_t from = v ? 1 : 0;
      if (v && is_weight(m, v)) {
        from = 2;
        if (const auto& shape = m[v].type.shape)
          for (const Dim d : *shape)
            from = hash_combine(from, static_cast<uint64_t>(d.constant().value_or(-1)));
      } else if (v && m[v].def) {
        if (const auto it = place.find(m[v].def); it != place.end()) {
          from = hash_combine(3, m[v].slot);
          const auto edge = into[i].try_emplace(it->second, 7).first;
          edge->second = hash_combine(hash_combine(edge->second, slot), m[v].slot);
        }
      }
      h = hash_combine(h, from);
    }
    c.of.push_back(h);
  }
  std::vector<std::vector<std::pair<uint32_t, uint64_t>>> out(nodes.size());
  for (uint32_t i = 0; i < nodes.size(); ++i) {
    std::vector<std::pair<uint32_t, uint64_t>> sorted(into[i].begin(), into[i].end());
    std::sort(sorted.begin(), sorted.end());
    uint64_t sum = 0;
    for (const auto& [from, slots] : sorted) {
      c.edges.emplace_back(from, i);
      c.slots.push_back(slots);
      out[from].emplace_back(i, slots);
      sum += hash_combine(c.of[from], slots);
    }
    c.of[i] = hash_combine(c.of[i], sum);
  }
  for (uint32_t i = static_cast<uint32_t>(nodes.size()); i-- > 0;) {
    uint64_t sum = 0;
    for (const auto& [to, slots] : out[i]) sum += hash_combine(c.of[to], slots);
    c.of[i] = hash_combine(c.of[i], sum);
  }
  return c;
}

// Parts are small and are compared many times over: a list of their own costs less than the model's.
using PartGraph = boost::adjacency_list<boost::vecS, boost::vecS, boost::bidirectionalS, boost::no_property,
                                        boost::property<boost::edge_index_t, size_t>>;

PartGraph part_graph(const Colors& c) {
  PartGraph g(c.of.size());
  for (size_t i = 0; i < c.edges.size(); ++i) boost::add_edge(c.edges[i].first, c.edges[i].second, i, g);
  return g;
}

}  // namespace

uint64_t structure_hash(const Model& m, std::span<const NodeId> nodes) {
  Colors c = color(m, nodes);
  std::sort(c.of.begin(), c.of.end());
  uint64_t h = nodes.size();
  for (const uint64_t x : c.of) h = hash_combine(h, x);
  return h;
}

bool isomorphic(const Model& m, std::span<const NodeId> a, std::span<const NodeId> b) {
  if (a.size() != b.size()) return false;
  const Colors x = color(m, a), y = color(m, b);
  std::vector<uint64_t> xs = x.of, ys = y.of;
  std::sort(xs.begin(), xs.end());
  std::sort(ys.begin(), ys.end());
  if (xs != ys || x.edges.size() != y.edges.size()) return false;
  if (a.size() > kMostNodes) return false;
  const PartGraph g = part_graph(x), h = part_graph(y);
  const auto edge_index = [](const PartGraph& of) { return boost::get(boost::edge_index, of); };
  uint64_t compared = 0;
  const auto same_vertex = [&](size_t u, size_t v) {
    return ++compared <= kMostComparisons && x.of[u] == y.of[v];
  };
  const auto same_edge = [&](const auto& e, const auto& f) {
    return x.slots[edge_index(g)[e]] == y.slots[edge_index(h)[f]];
  };
  return boost::vf2_graph_iso(
      g, h, [](const auto&, const auto&) { return false; },  // the first is enough
      boost::get(boost::vertex_index, g), boost::get(boost::vertex_index, h), boost::vertex_order_by_mult(g),
      same_edge, same_vertex);
}

}  // namespace lathe::roles
