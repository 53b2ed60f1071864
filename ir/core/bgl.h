// Boost.Graph's concepts on one graph of a Model, without a copied adjacency list: vertices are the graph's
// nodes, an edge runs from a node to each node that defines something it reads (captures of its subgraphs
// too).
#pragma once
#include <boost/graph/graph_traits.hpp>
#include <boost/graph/properties.hpp>
#include <boost/iterator/iterator_facade.hpp>
#include <boost/property_map/property_map.hpp>
#include <iterator>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ir/core/model.h"
#include "ir/core/walk.h"

namespace lathe {

class DependencyGraph {
 public:
  enum class Ports : uint8_t { without, with };
  explicit DependencyGraph(const Model& m, GraphId g, Ports ports = Ports::without)
      : m_(m), g_(g), ports_(ports) {
    if (ports == Ports::with) nodes_.push_back(m[g].params.v);
    for (NodeId n = m[g].first; n; n = m[n].next) {
      nodes_.push_back(n.v);
      for (const GraphId s : m.subgraphs(n))
        for (const ValueId v : captures(m, s)) captured_[n.v].push_back(v);
    }
    if (ports == Ports::with) nodes_.push_back(m[g].ret.v);
  }

  const Model& model() const { return m_; }
  const std::vector<uint32_t>& nodes() const { return nodes_; }

  // The i-th operand, own inputs first, then captures; past the end: none. `defined` tells whether it is an
  // edge.
  size_t operand_count(uint32_t n) const {
    const auto it = captured_.find(n);
    return m_[NodeId{n}].in.size() + (it == captured_.end() ? 0 : it->second.size());
  }
  NodeId dependency(uint32_t n, size_t i) const {
    const auto& in = m_[NodeId{n}].in;
    const ValueId v = i < in.size() ? in[i] : captured_.at(n)[i - in.size()];
    if (!v) return {};
    const NodeId d = m_[v].def;
    return is_vertex(d) ? d : NodeId{};
  }

  // The i-th use of n's outputs, as the vertex that it belongs to (a use in a subgraph: the node that owns
  // it).
  size_t use_count(uint32_t n) const {
    size_t count = 0;
    for (const ValueId v : m_[NodeId{n}].out) count += v ? m_[v].uses.size() : 0;
    return count;
  }
  NodeId user(uint32_t n, size_t i) const {
    for (const ValueId v : m_[NodeId{n}].out) {
      const size_t uses = v ? m_[v].uses.size() : 0;
      if (i >= uses) {
        i -= uses;
        continue;
      }
      NodeId u = m_[v].uses[i].node;
      while (u && m_[u].parent != g_) u = m_[u].parent ? m_[m_[u].parent].owner : NodeId{};
      return is_vertex(u) ? u : NodeId{};
    }
    return {};
  }

 private:
  bool is_vertex(NodeId n) const {
    return n && m_[n].parent == g_ && (ports_ == Ports::with || !m_.is_hidden(n));
  }
  const Model& m_;
  GraphId g_;
  Ports ports_;
  std::vector<uint32_t> nodes_;
  std::unordered_map<uint32_t, std::vector<ValueId>> captured_;  // only nodes with subgraphs
};

using DependencyEdge = std::pair<uint32_t, uint32_t>;

// Walks a node's dependencies (out-edges) or users (in-edges), passing over operands that are no edge.
template <bool kUsers>
class NeighbourIterator : public boost::iterator_facade<NeighbourIterator<kUsers>, DependencyEdge,
                                                        boost::forward_traversal_tag, DependencyEdge> {
 public:
  NeighbourIterator() = default;
  NeighbourIterator(const DependencyGraph* g, uint32_t node, size_t i) : g_(g), node_(node), i_(i) { skip(); }

 private:
  friend class boost::iterator_core_access;
  size_t count() const { return kUsers ? g_->use_count(node_) : g_->operand_count(node_); }
  NodeId at() const { return kUsers ? g_->user(node_, i_) : g_->dependency(node_, i_); }
  void skip() {
    while (i_ < count() && !at()) ++i_;
  }
  void increment() {
    ++i_;
    skip();
  }
  bool equal(const NeighbourIterator& o) const { return node_ == o.node_ && i_ == o.i_; }
  DependencyEdge dereference() const {
    return kUsers ? DependencyEdge{at().v, node_} : DependencyEdge{node_, at().v};
  }

  const DependencyGraph* g_ = nullptr;
  uint32_t node_ = 0;
  size_t i_ = 0;
};
using DependencyIterator = NeighbourIterator<false>;
using UserIterator = NeighbourIterator<true>;

}  // namespace lathe

namespace boost {
template <>
struct graph_traits<lathe::DependencyGraph> {
  struct traversal_category : bidirectional_graph_tag, vertex_list_graph_tag {};
  using vertex_descriptor = uint32_t;  // NodeId::v
  using edge_descriptor = lathe::DependencyEdge;
  using directed_category = directed_tag;
  using edge_parallel_category = allow_parallel_edge_tag;
  using vertex_iterator = std::vector<uint32_t>::const_iterator;
  using vertices_size_type = size_t;
  using out_edge_iterator = lathe::DependencyIterator;
  using in_edge_iterator = lathe::UserIterator;
  using degree_size_type = size_t;
  using edges_size_type = size_t;
  static vertex_descriptor null_vertex() { return ~0u; }
};
}  // namespace boost

namespace lathe {  // found by argument-dependent look-up

inline auto vertices(const DependencyGraph& g) { return std::pair(g.nodes().begin(), g.nodes().end()); }
inline size_t num_vertices(const DependencyGraph& g) { return g.nodes().size(); }
inline auto out_edges(uint32_t n, const DependencyGraph& g) {
  return std::pair(DependencyIterator(&g, n, 0), DependencyIterator(&g, n, g.operand_count(n)));
}
inline size_t out_degree(uint32_t n, const DependencyGraph& g) {
  const auto [first, last] = out_edges(n, g);
  return static_cast<size_t>(std::distance(first, last));
}
inline auto in_edges(uint32_t n, const DependencyGraph& g) {
  return std::pair(UserIterator(&g, n, 0), UserIterator(&g, n, g.use_count(n)));
}
inline size_t in_degree(uint32_t n, const DependencyGraph& g) {
  const auto [first, last] = in_edges(n, g);
  return static_cast<size_t>(std::distance(first, last));
}
inline size_t degree(uint32_t n, const DependencyGraph& g) { return out_degree(n, g) + in_degree(n, g); }
inline uint32_t source(const DependencyEdge& e, const DependencyGraph&) { return e.first; }
inline uint32_t target(const DependencyEdge& e, const DependencyGraph&) { return e.second; }

}  // namespace lathe
