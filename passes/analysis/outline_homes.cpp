#include "passes/analysis/outline_homes.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <unordered_map>

#include "passes/analysis/outline.h"
#include "passes/analysis/roles_match.h"

namespace lathe::outline {
namespace {

constexpr size_t kLeast = 4;  // nodes of a cluster; fewer stand for themselves

// Integers and truth values, or an op that only moves or scales: it serves what reads it.
bool serves(const Model& m, NodeId n) {
  if (roles::is_projection(m, n)) return false;
  bool whole = !m[n].out.empty();
  for (const ValueId v : m[n].out)
    if (v && !is_integer(m[v].type.dtype) && m[v].type.dtype != DType::Bool) whole = false;
  const std::string& t = m[n].type;
  return whole || t == "ConstantOfShape" || roles::is_layout(m[n]) || roles::is_pointwise(m[n]);
}

// One answer of many: none yet, all the same, or different ones.
struct Common {
  bool any = false, unit_same = true, layer_same = true;
  Home home;
  void add(const Home& h) {
    if (!any) {
      any = true;
      home = h;
      return;
    }
    unit_same = unit_same && h.unit == home.unit;
    layer_same = layer_same && h.layer == home.layer;
  }
};

class Finder {
 public:
  Finder(const Model& m, const Roles& r, const std::vector<NodeId>& order) : m_(m), r_(r), order_(order) {}

  Homes run() {
    out_.of.resize(m_.node_capacity());
    for (const NodeId n : order_) out_.of[n.v] = {r_[n].unit, r_[n].layer, ~0u};
    for (size_t i = order_.size(); i-- > 0;) join_readers(order_[i]);
    for (const NodeId n : order_) join_makers(n);
    cluster();
    return std::move(out_);
  }

 private:
  bool placed(NodeId n) const { return out_.of[n.v].unit >= 0 || r_[n].layer >= 0; }

  // The node of the main graph that this use belongs to; none at the graph's end.
  NodeId in_main(NodeId n) const {
    while (n && m_[n].parent != m_.main()) n = m_[n].parent ? m_[m_[n].parent].owner : NodeId{};
    return n && !m_.is_hidden(n) ? n : NodeId{};
  }

  void join_readers(NodeId n) {
    if (placed(n) || !serves(m_, n)) return;
    Common c;
    for (const ValueId v : m_[n].out)
      for (const Use& use : v ? m_[v].uses : std::vector<Use>{}) {
        const NodeId reader = in_main(use.node);
        if (!reader) return;
        c.add(out_.of[reader.v]);
      }
    if (c.any) join(n, c);
  }

  void join_makers(NodeId n) {
    if (placed(n) || out_.of[n.v].layer >= 0 || !serves(m_, n)) return;
    Common c;
    for (const ValueId v : m_[n].in) {
      if (!v || m_.constant(v) != nullptr) continue;
      const NodeId maker = m_[v].def;
      if (!maker || m_.is_hidden(maker)) return;
      c.add(out_.of[maker.v]);
    }
    if (c.any && c.unit_same && c.layer_same && c.home.unit >= 0) out_.of[n.v] = c.home;
  }

  void join(NodeId n, const Common& c) {
    if (c.unit_same && c.layer_same && c.home.unit >= 0) {
      out_.of[n.v] = c.home;
    } else if (c.layer_same && c.home.layer >= 0) {
      out_.of[n.v] = {-1, c.home.layer, ~0u};
    }
  }

  // Nodes of no unit, in one layer or outside of all, that are joined and lie behind the same units. Two that
  // a unit lies between are never in one cluster: the picture of clusters and units has no needless cycles.
  void cluster() {
    std::unordered_map<int64_t, size_t> end;  // of a unit or layer: place of its last node
    for (size_t i = 0; i < order_.size(); ++i)
      if (const Home& h = out_.of[order_[i].v]; h.unit >= 0 || h.layer >= 0)
        end[outer(h)] = end[inner(h)] = i + 1;
    std::vector<size_t> behind(m_.node_capacity(), 0);
    std::vector<uint32_t> root(m_.node_capacity());
    std::iota(root.begin(), root.end(), 0);
    const auto find = [&](uint32_t x) {
      while (root[x] != x) x = root[x] = root[root[x]];
      return x;
    };
    for (const NodeId n : order_) {
      const Home& h = out_.of[n.v];
      if (h.unit >= 0) continue;
      for (const ValueId v : m_[n].in) {
        const NodeId d = v ? m_[v].def : NodeId{};
        if (!d || m_.is_hidden(d)) continue;
        const Home& from = out_.of[d.v];
        if (from.layer != h.layer)
          behind[n.v] = std::max(behind[n.v], h.layer < 0 ? end[outer(from)] : 0);
        else
          behind[n.v] = std::max(behind[n.v], from.unit >= 0 ? end[inner(from)] : behind[d.v]);
      }
    }
    for (const NodeId n : order_) {
      const Home& h = out_.of[n.v];
      if (h.unit >= 0) continue;
      for (const ValueId v : m_[n].in) {
        const NodeId d = v ? m_[v].def : NodeId{};
        if (!d || m_.is_hidden(d) || out_.of[d.v].unit >= 0 || out_.of[d.v].layer != h.layer) continue;
        if (behind[d.v] == behind[n.v] && !holds_constant(m_, d)) root[find(n.v)] = find(d.v);
      }
    }
    std::map<uint32_t, size_t> sizes;
    for (const NodeId n : order_)
      if (out_.of[n.v].unit < 0) ++sizes[find(n.v)];
    for (const NodeId n : order_)
      if (out_.of[n.v].unit < 0 && sizes[find(n.v)] >= kLeast) out_.of[n.v].cluster = find(n.v);
  }

  static int64_t inner(const Home& h) { return h.unit; }
  static int64_t outer(const Home& h) { return h.layer >= 0 ? -2 - int64_t{h.layer} : inner(h); }

  const Model& m_;
  const Roles& r_;
  const std::vector<NodeId>& order_;
  Homes out_;
};

}  // namespace

Homes find_homes(const Model& m, const Roles& r, const std::vector<NodeId>& order) {
  return Finder(m, r, order).run();
}

}  // namespace lathe::outline
