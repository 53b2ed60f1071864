// Regions by a minimum cut (Boykov and Kolmogorov 2004, Boost.Graph's). Each value that both a half and a
// float node touch costs a Cast, however many nodes read it, which an extra vertex a value says.
// g++ 12 sees an empty boost::optional read inside Boost's iterator over edges, where it is not.
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <algorithm>
#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/boykov_kolmogorov_max_flow.hpp>

#include "ir/core/walk.h"
#include "passes/quant/half/plan.h"
#include "passes/quant/half/slots.h"

namespace lathe {
namespace {

constexpr int kAlways = 1 << 20;
constexpr size_t kMaxNodes = 100'000;  // beyond it each node follows its own gain

using Traits = boost::adjacency_list_traits<boost::vecS, boost::vecS, boost::directedS>;
using FlowGraph = boost::adjacency_list<
    boost::vecS, boost::vecS, boost::directedS,
    boost::property<boost::vertex_index_t, size_t,
                    boost::property<boost::vertex_color_t, boost::default_color_type,
                                    boost::property<boost::vertex_distance_t, int64_t,
                                                    boost::property<boost::vertex_predecessor_t,
                                                                    Traits::edge_descriptor>>>>,
    boost::property<boost::edge_capacity_t, int,
                    boost::property<boost::edge_residual_capacity_t, int,
                                    boost::property<boost::edge_reverse_t, Traits::edge_descriptor>>>>;

class Cut {
 public:
  Cut(const Model& m, const std::unordered_map<NodeId, HalfLabel>& labels, DType half, bool keep_ports)
      : m_(m), labels_(labels), half_(half), graph_(2) {
    for (const GraphId g : nested_graphs(m, m.main())) {
      const NodeId owner = m[g].owner;
      for (const NodeId n : {m[g].params, m[g].ret}) {
        if (!owner)
          at_[n] = keep_ports ? kFloat : kHalf;
        else
          at_[n] = is_control(m[owner]) ? vertex(owner) : kFloat;
      }
      for (const NodeId n : m.nodes(g)) at_[n] = vertex(n);
    }
    for (const GraphId g : nested_graphs(m, m.main())) {
      border(m[g].params);
      for (const NodeId n : m.nodes(g)) border(n);
    }
  }

  std::unordered_set<NodeId> run() {
    boost::boykov_kolmogorov_max_flow(graph_, kHalf, kFloat);
    const auto color = boost::get(boost::vertex_color, graph_);
    std::unordered_set<NodeId> half;
    for (const auto& [n, label] : labels_)
      if (label.kind != HalfLabel::Kind::stays && color[at_.at(n)] == boost::black_color) half.insert(n);
    return half;
  }

 private:
  using Vertex = Traits::vertex_descriptor;
  static constexpr Vertex kHalf = 0, kFloat = 1;

  void edge(Vertex a, Vertex b, int capacity) {
    if (a == b) return;
    const auto forth = boost::add_edge(a, b, graph_).first, back = boost::add_edge(b, a, graph_).first;
    boost::put(boost::edge_capacity, graph_, forth, capacity);
    boost::put(boost::edge_capacity, graph_, back, 0);
    boost::put(boost::edge_reverse, graph_, forth, back);
    boost::put(boost::edge_reverse, graph_, back, forth);
  }

  // A Cast that is there already joins the sides.
  bool widens(NodeId n) const {
    return m_[n].is("Cast") && m_[n].input(0) && m_[m_[n].in[0]].type.dtype == half_;
  }
  bool narrows(NodeId n) const {
    return m_[n].is("Cast") && m_[n].output(0) && m_[m_[n].out[0]].type.dtype == half_;
  }

  Vertex vertex(NodeId n) {
    if (const auto known = at_.find(n); known != at_.end()) return known->second;
    if (widens(n) || narrows(n)) return kHalf;
    const auto it = labels_.find(n);
    if (it == labels_.end() || it->second.kind == HalfLabel::Kind::stays) return kFloat;
    const Vertex v = boost::add_vertex(graph_);
    const int gain = it->second.kind == HalfLabel::Kind::goes ? kAlways : it->second.gain;
    if (gain > 0) edge(kHalf, v, gain);
    return v;
  }

  // Does the op take (give) the half type in this slot?
  bool changes(NodeId n, size_t slot, bool input) const {
    if (m_.is_hidden(n) || widens(n) || narrows(n)) return true;
    const auto it = labels_.find(n);
    if (it == labels_.end()) return false;
    const auto& slots = input ? it->second.in : it->second.out;
    return slot < slots.size() && slots[slot];
  }

  void border(NodeId n) {
    for (size_t slot = 0; slot < m_[n].out.size(); ++slot) {
      const ValueId v = m_[n].out[slot];
      if (!is_f32(m_, v) || m_.constant(v) != nullptr) continue;
      const Vertex from = changes(n, slot, false) ? at_.at(n) : kFloat;
      std::vector<Vertex> readers;
      for (const Use& u : m_[v].uses) {
        const auto it = at_.find(u.node);
        if (it == at_.end()) continue;
        const Vertex to = changes(u.node, u.slot, true) ? it->second : kFloat;
        if (to != from) readers.push_back(to);
        const auto label = labels_.find(u.node);
        if (label != labels_.end() && label->second.exact) edge(it->second, from, kAlways * 16);
      }
      std::sort(readers.begin(), readers.end());
      readers.erase(std::unique(readers.begin(), readers.end()), readers.end());
      if (readers.empty()) continue;
      const Vertex down = boost::add_vertex(graph_), up = boost::add_vertex(graph_);
      edge(from, down, kCastCost);  // half, read by a float node
      edge(up, from, kCastCost);    // float, read by a half node
      for (const Vertex r : readers) {
        edge(down, r, kAlways * 16);
        edge(r, up, kAlways * 16);
      }
    }
  }

  const Model& m_;
  const std::unordered_map<NodeId, HalfLabel>& labels_;
  const DType half_;
  FlowGraph graph_;
  std::unordered_map<NodeId, Vertex> at_;
};

}  // namespace

std::unordered_set<NodeId> cut_regions(const Model& m, const std::unordered_map<NodeId, HalfLabel>& labels,
                                       DType half, bool keep_ports) {
  if (labels.size() <= kMaxNodes) return Cut(m, labels, half, keep_ports).run();
  std::unordered_set<NodeId> out;
  for (const auto& [n, label] : labels)
    if (label.kind != HalfLabel::Kind::stays && !label.exact && !is_control(m[n]) &&
        (label.kind == HalfLabel::Kind::goes || label.gain > 0))
      out.insert(n);
  return out;
}

}  // namespace lathe
