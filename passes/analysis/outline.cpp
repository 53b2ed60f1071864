#include "passes/analysis/outline.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "ir/core/walk.h"
#include "passes/analysis/outline_homes.h"

namespace lathe {
namespace {

using Kind = OutlineGroup::Kind;
using Item = OutlineGroup::Item;

class Maker {
 public:
  Maker(const Model& m, const Roles& r) : m_(m), r_(r) { out_.home.assign(m.node_capacity(), ~0u); }

  Outline run() {
    add(Kind::graph, ~0u);
    main_graph();
    bodies(m_.main());
    for (size_t i = 0; i < m_.functions.size(); ++i) {
      const uint32_t g = add(Kind::function, 0);
      out_.groups[g].index = static_cast<int32_t>(i);
      plain(m_.functions[i].body, g);
      out_.groups[0].items.push_back({{}, g});
      bodies(m_.functions[i].body);
    }
    count();
    return std::move(out_);
  }

 private:
  uint32_t add(Kind kind, uint32_t parent) {
    OutlineGroup g;
    g.kind = kind;
    g.parent = parent;
    out_.groups.push_back(std::move(g));
    return static_cast<uint32_t>(out_.groups.size() - 1);
  }

  void main_graph() {
    std::vector<NodeId> order = m_.nodes(m_.main());
    std::erase_if(order, [&](NodeId n) { return holds_constant(m_, n); });
    const outline::Homes homes = outline::find_homes(m_, r_, order);
    std::vector<uint32_t> layers(static_cast<size_t>(r_.layers), ~0u), units(r_.units.size(), ~0u);
    for (const RepeatedBlock& b : r_.blocks) {
      const uint32_t repeat = add(Kind::repeat, 0);
      out_.groups[repeat].layer = b.first_layer;
      for (int32_t i = 0; i < b.count; ++i) {
        const uint32_t layer = add(Kind::layer, repeat);
        out_.groups[layer].layer = b.first_layer + i;
        layers[static_cast<size_t>(b.first_layer) + static_cast<size_t>(i)] = layer;
      }
    }
    for (size_t i = 0; i < r_.units.size(); ++i) {
      const int32_t layer = r_.units[i].layer;
      units[i] = add(Kind::unit, layer < 0 ? 0 : layers[static_cast<size_t>(layer)]);
      out_.groups[units[i]].unit = static_cast<int32_t>(i);
      out_.groups[units[i]].role = r_.units[i].role;
    }
    std::map<uint32_t, std::set<Role>> roles;         // of clusters
    std::unordered_map<uint32_t, uint32_t> clusters;  // of Homes -> group
    for (const NodeId n : order) {
      const outline::Home& h = homes.of[n.v];
      uint32_t g = h.unit >= 0    ? units[static_cast<size_t>(h.unit)]
                   : h.layer >= 0 ? layers[static_cast<size_t>(h.layer)]
                                  : 0;
      if (h.cluster != ~0u) {
        const auto [it, fresh] = clusters.try_emplace(h.cluster, 0);
        if (fresh) {
          it->second = add(Kind::glue, g);
        }
        g = it->second;
        roles[g].insert(r_[n].role);
      }
      put(n, g);
    }
    for (auto& [g, found] : roles) {
      found.erase(Role::other);
      if (found.size() == 1) out_.groups[g].role = *found.begin();
    }
    arrange(order);
  }

  void put(NodeId n, uint32_t g) {
    out_.home[n.v] = g;
    out_.groups[g].items.push_back({n, ~0u});
  }

  void plain(GraphId graph, uint32_t g) {
    for (NodeId n = m_[graph].first; n; n = m_[n].next)
      if (!holds_constant(m_, n)) put(n, g);
  }

  // Inner groups stand where their last node does: what they make is read from there on.
  void arrange(const std::vector<NodeId>& order) {
    std::vector<size_t> last(out_.groups.size(), 0);
    std::unordered_map<NodeId, size_t> place;
    for (size_t i = 0; i < order.size(); ++i) {
      place[order[i]] = i;
      last[out_.home[order[i].v]] = i;
    }
    for (uint32_t g = static_cast<uint32_t>(out_.groups.size()); g-- > 1;)
      last[out_.parent(g)] = std::max(last[out_.parent(g)], last[g]);
    for (uint32_t g = 1; g < out_.groups.size(); ++g) out_.groups[out_.parent(g)].items.push_back({{}, g});
    for (OutlineGroup& g : out_.groups)
      std::stable_sort(g.items.begin(), g.items.end(), [&](const Item& a, const Item& b) {
        const auto at = [&](const Item& i) { return i.is_group() ? last[i.group] : place.at(i.node); };
        return at(a) < at(b);
      });
  }

  // Groups for what is nested in `root`, outer before inner, each right behind its owner.
  void bodies(GraphId root) {
    for (const GraphId graph : nested_graphs(m_, root)) {
      std::unordered_map<NodeId, std::vector<uint32_t>> made;
      std::set<uint32_t> touched;
      for (NodeId n = m_[graph].first; n; n = m_[n].next) {
        const std::vector<GraphId> subgraphs = m_.subgraphs(n);
        for (size_t i = 0; i < subgraphs.size(); ++i) {
          const uint32_t g = add(Kind::body, out_.home[n.v]);
          out_.groups[g].owner = n;
          out_.groups[g].index = static_cast<int32_t>(i);
          plain(subgraphs[i], g);
          made[n].push_back(g);
          touched.insert(out_.home[n.v]);
        }
      }
      for (const uint32_t g : touched) {
        std::vector<Item> items;
        for (const Item& i : out_.groups[g].items) {
          items.push_back(i);
          if (const auto it = i.node ? made.find(i.node) : made.end(); it != made.end())
            for (const uint32_t body : it->second) items.push_back({{}, body});
        }
        out_.groups[g].items = std::move(items);
      }
    }
  }

  void count() {
    for (uint32_t g = static_cast<uint32_t>(out_.groups.size()); g-- > 0;) {
      OutlineGroup& group = out_.groups[g];
      for (const Item& i : group.items) group.nodes += i.is_group() ? 0 : 1;
      if (g > 0) out_.groups[group.parent].nodes += group.nodes;
    }
  }

  const Model& m_;
  const Roles& r_;
  Outline out_;
};

}  // namespace

bool holds_constant(const Model& m, NodeId n) {
  const auto& out = m[n].out;
  return !out.empty() &&
         std::all_of(out.begin(), out.end(), [&](ValueId v) { return !v || m.constant(v) != nullptr; });
}

Outline make_outline(const Model& m, const Roles& r) { return Maker(m, r).run(); }

}  // namespace lathe
