#include "passes/analysis/role_units.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <unordered_set>

#include "passes/analysis/roles_match.h"

namespace lathe::roles {

Builder::Builder(const Model& model) : m(model), order(model.nodes(model.main())) {
  for (size_t i = 0; i < order.size(); ++i) place_[order[i]] = i;
}

void Builder::add(Unit u, const std::vector<std::pair<NodeId, Part>>& parts) {
  std::vector<NodeId> own;
  const auto index = static_cast<int32_t>(units_.size());
  for (const NodeId n : u.nodes) {
    if (!place_.contains(n)) continue;
    const auto [it, fresh] = owner_.try_emplace(n, index);
    if (fresh) {
      own.push_back(n);
    } else if (it->second >= 0 && it->second != index) {  // shared by two units: belongs to no layer
      const Role role = units_[static_cast<size_t>(it->second)].role;
      if (role != u.role) continue;
      std::erase(units_[static_cast<size_t>(it->second)].nodes, n);
      it->second = -1 - static_cast<int32_t>(role);
    }
  }
  for (const auto& [n, part] : parts)
    if (const auto it = owner_.find(n); it != owner_.end() && it->second == index) parts_[n] = part;
  std::sort(own.begin(), own.end(), [&](NodeId a, NodeId b) { return place(a) < place(b); });
  u.nodes = std::move(own);
  units_.push_back(std::move(u));
}

void Builder::mark(NodeId n, Role r) {
  if (place_.contains(n)) owner_.try_emplace(n, -1 - static_cast<int32_t>(r));
}

std::vector<NodeId> Builder::users(ValueId v) const {
  std::vector<NodeId> out;
  if (!v) return out;
  for (const Use& u : m[v].uses)
    if (!m.is_hidden(u.node) && is_data(m, m[u.node], u.slot) && m[u.node].parent == m.main())
      out.push_back(u.node);
  return out;
}

Roles Builder::finish() {
  Roles r;
  r.nodes.resize(m.node_capacity());
  std::vector<int32_t> by_place(units_.size());
  std::iota(by_place.begin(), by_place.end(), 0);
  std::erase_if(by_place, [&](int32_t i) { return units_[static_cast<size_t>(i)].nodes.empty(); });
  std::sort(by_place.begin(), by_place.end(), [&](int32_t a, int32_t b) {
    return place(units_[static_cast<size_t>(a)].nodes.back()) <
           place(units_[static_cast<size_t>(b)].nodes.back());
  });
  for (const int32_t i : by_place) {
    for (const NodeId n : units_[static_cast<size_t>(i)].nodes) {
      NodeRole& role = r.nodes[n.v];
      role.role = units_[static_cast<size_t>(i)].role;
      role.unit = static_cast<int32_t>(r.units.size());
      if (const auto p = parts_.find(n); p != parts_.end()) role.part = p->second;
    }
    r.units.push_back(units_[static_cast<size_t>(i)]);
  }
  for (const auto& [n, owner] : owner_)
    if (owner < 0) r.nodes[n.v].role = static_cast<Role>(-1 - owner);
  return r;
}

}  // namespace lathe::roles
