#include "passes/quant/search/written_policy.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace lathe {
namespace {

bool same_scheme(const PolicyRule& a, const PolicyRule& b) {
  return a.scheme == b.scheme && a.weight_only == b.weight_only;
}

std::vector<std::pair<int32_t, int32_t>> ranges(std::vector<int32_t> layers) {
  std::sort(layers.begin(), layers.end());
  std::vector<std::pair<int32_t, int32_t>> out;
  for (const int32_t l : layers) {
    if (!out.empty() && l <= out.back().second + 1)
      out.back().second = l;
    else
      out.emplace_back(l, l);
  }
  return out;
}

}  // namespace

Policy written_policy(const Model& m, const std::vector<WeightSite>& sites, const Roles& roles,
                      const std::vector<Layer>& layers, const std::vector<int>& picks) {
  const auto picked = [&](size_t i) -> const PolicyRule& {
    return layers[i].options[static_cast<size_t>(picks[i])].rule;
  };
  Policy p;
  p.name = "auto";
  // Sites of one role, part and layer that agree make one rule with their like in other layers.
  using Place = std::tuple<Role, Part, int32_t>;
  std::map<Place, std::vector<size_t>> places;
  std::vector<size_t> named;
  for (size_t i = 0; i < layers.size(); ++i) {
    const WeightSite& s = sites[layers[i].sites.front()];
    const NodeRole& r = roles[s.node];
    if (layers[i].sites.size() == 1 && s.kind != WeightSite::Kind::table && r.layer >= 0 &&
        r.role != Role::other)
      places[{r.role, r.part, r.layer}].push_back(i);
    else
      named.push_back(i);
  }
  std::vector<std::pair<PolicyRule, std::vector<int32_t>>> grouped;
  for (const auto& [place, members] : places) {
    const auto& [role, part, layer] = place;
    const bool agree = std::all_of(members.begin(), members.end(),
                                   [&](size_t i) { return same_scheme(picked(i), picked(members[0])); });
    if (!agree) {
      named.insert(named.end(), members.begin(), members.end());
      continue;
    }
    PolicyRule r = picked(members[0]);
    r.role = role;
    if (part != Part::none) r.part = part;
    const auto same = std::find_if(grouped.begin(), grouped.end(), [&](const auto& g) {
      return g.first.role == r.role && g.first.part == r.part && same_scheme(g.first, r);
    });
    if (same != grouped.end())
      same->second.push_back(layer);
    else
      grouped.push_back({r, {layer}});
  }
  std::sort(named.begin(), named.end());
  for (const size_t i : named)
    for (const size_t site : layers[i].sites) {
      PolicyRule r = picked(i);
      r.name = m[sites[site].stored].name;
      p.rules.push_back(std::move(r));
      break;
    }
  for (auto& [r, at] : grouped) {
    r.layers = ranges(at);
    p.rules.push_back(r);
  }
  // A weight that was not searched must not fall under a rule by accident, nor a searched one under
  // another's: then every weight is named.
  std::vector<const PolicyRule*> wanted(sites.size(), nullptr);
  for (size_t i = 0; i < layers.size(); ++i)
    for (const size_t site : layers[i].sites) wanted[site] = &picked(i);
  const auto right = [&] {
    for (size_t i = 0; i < sites.size(); ++i) {
      const PolicyRule* r = find_rule(p, m, roles, {.site = &sites[i]});
      if ((r == nullptr) != (wanted[i] == nullptr) || (r != nullptr && !same_scheme(*r, *wanted[i])))
        return false;
    }
    return true;
  };
  if (!right()) {
    p.rules.clear();
    for (size_t i = 0; i < layers.size(); ++i) {
      PolicyRule r = picked(i);
      r.name = m[sites[layers[i].sites.front()].stored].name;
      p.rules.push_back(std::move(r));
    }
  }
  for (size_t i = 0; i < p.rules.size(); ++i) p.rules[i].place = fmt::format("auto:{}", i + 1);
  return p;
}

}  // namespace lathe
