#include "tools/view/scene.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "ir/core/walk.h"
#include "passes/analysis/shapes.h"
#include "passes/diff/diff.h"
#include "passes/diff/text.h"
#include "tools/cli.h"
#include "tools/markup.h"
#include "tools/view/cost_view.h"
#include "tools/view/roles_view.h"

namespace lathe::view {
namespace {

enum ChangeStep : uint8_t { kSame, kChanged, kNew };

uint8_t type_step(DType t) {
  const int bits = bit_width(t);
  if (t == DType::F32 || t == DType::F64) return 1;
  if (t == DType::F16) return 2;
  if (t == DType::BF16) return 3;
  if (bits == 8 && t != DType::Bool) return 4;
  if (bits > 0 && bits < 8) return 5;
  return is_integer(t) || t == DType::Bool ? 6 : 0;
}

// The type of a node's weights where it has some, else of what it makes.
uint8_t type_of(const Model& m, NodeId n) {
  size_t most = 0;
  DType type = DType::Undefined;
  for (const ValueId v : m[n].in)
    if (const Tensor* t = v ? m.constant(v) : nullptr; t != nullptr && t->count() > 16) {
      const auto size = static_cast<size_t>(t->count());
      if (size > most) type = t->dtype;
      most = std::max(most, size);
    }
  for (size_t i = 0; most == 0 && i < m[n].out.size() && type == DType::Undefined; ++i)
    if (m[n].out[i]) type = m[m[n].out[i]].type.dtype;
  return type_step(type);
}

std::vector<NodeChange> changes(const Model& m, const Model* base) {
  std::vector<NodeChange> out(m.node_capacity());
  if (base == nullptr) {
    const std::vector<std::string> rules = diff::rules_by_node(m);
    for (size_t i = 0; i < out.size(); ++i)
      if (!rules[i].empty()) out[i] = {kNew, "made by " + rules[i]};
    return out;
  }
  const diff::Diff d = diff::diff_models(*base, m, {.read = false, .done = {}});
  for (const diff::Hunk& h : d.changes.hunks)
    for (const NodeId n : h.added)
      out[n.v] = {kNew, h.old_ops.empty() ? "new" : "new, in place of " + h.old_ops};
  for (const diff::NodeChange& c : d.changes.nodes) {
    std::string text;
    for (const diff::AttrChange& a : c.attrs)
      text += fmt::format("{}{}: {} -> {}", text.empty() ? "" : "; ", a.name, a.before, a.after);
    for (const auto& [inputs, what] :
         {std::pair(&c.values, "another value"), std::pair(&c.rewired, "rewired")})
      for (const diff::InputChange& i : *inputs)
        text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", i.label, what);
    out[c.b.v] = {kChanged, text};
  }
  return out;
}

Numbers numbers_of(const Cost& c, const Sizes& sizes) {
  const auto number = [&](Dim d) { return static_cast<double>(at(d, sizes).value_or(0)); };
  return {number(c.flops), number(c.macs), number(c.read) + number(c.written), c.parameters, c.weight_bytes};
}

}  // namespace

Numbers& Numbers::operator+=(const Numbers& o) {
  flops += o.flops;
  macs += o.macs;
  moved += o.moved;
  parameters += o.parameters;
  weight_bytes += o.weight_bytes;
  return *this;
}

Scene make_scene(Model m, const std::string& title, const std::string& dims, const Model* base) {
  Scene s;
  s.title = title;
  s.m = std::move(m);
  analyze_shapes(s.m);
  s.roles = analyze_roles(s.m);
  s.outline = make_outline(s.m, s.roles);
  s.sizes = choose_sizes(s.m, dims, s.assumed);
  s.change = changes(s.m, base);
  const ModelCost cost = analyze_cost(s.m);
  s.of_node.resize(s.m.node_capacity());
  for (const NodeCost& k : cost.nodes) s.of_node[k.node.v] = numbers_of(k.cost, s.sizes);
  s.type.resize(s.m.node_capacity());
  const auto& groups = s.outline.groups;
  s.of_group.resize(groups.size());
  s.group_change.resize(groups.size());
  std::vector<std::map<uint8_t, std::pair<int64_t, size_t>>> types(groups.size());  // step -> weights, nodes
  for (uint32_t g = static_cast<uint32_t>(groups.size()); g-- > 0;) {
    for (const auto& item : groups[g].items) {
      if (item.is_group()) continue;
      const NodeId n = item.node;
      s.type[n.v] = type_of(s.m, n);
      s.of_group[g] += s.of_node[n.v];
      s.group_change[g] = std::max(s.group_change[g], s.change[n.v].step);
      auto& [weights, nodes] = types[g][s.type[n.v]];
      weights += s.of_node[n.v].parameters;
      ++nodes;
    }
    if (g == 0) break;
    const uint32_t up = groups[g].parent;
    s.of_group[up] += s.of_group[g];
    s.group_change[up] = std::max(s.group_change[up], s.group_change[g]);
    for (const auto& [step, count] : types[g]) {
      types[up][step].first += count.first;
      types[up][step].second += count.second;
    }
  }
  s.total = s.of_group[0];
  for (const auto& t : types) {
    const auto most = std::max_element(t.begin(), t.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    s.group_type.push_back(most == t.end() ? uint8_t{0} : most->first);
  }
  return s;
}

namespace {

// Ops of the group's own nodes, the most frequent first.
std::string frequent_ops(const Scene& s, const OutlineGroup& g, size_t most) {
  std::map<std::string, size_t> counts;
  for (const auto& item : g.items)
    if (!item.is_group()) ++counts[s.m[item.node].type];
  std::vector<std::pair<std::string, size_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string out;
  for (size_t i = 0; i < sorted.size() && i < most; ++i)
    out += fmt::format("{}{}{}", out.empty() ? "" : ", ",
                       sorted[i].second > 1 ? fmt::format("{} ", sorted[i].second) : "",
                       cli::shown(sorted[i].first, 40));
  return sorted.size() > most ? out + ", ..." : out;
}

bool only_integers(const Scene& s, const OutlineGroup& g) {
  return std::all_of(g.items.begin(), g.items.end(),
                     [&](const auto& item) { return item.is_group() || s.type[item.node.v] == 6; });
}

std::string body_name(const Scene& s, const OutlineGroup& g) {
  int32_t at = 0;
  for (const Attr& a : s.m[g.owner].attrs.items()) {
    if (std::holds_alternative<GraphId>(a.value) && at++ == g.index) return a.name;
    if (const auto* list = std::get_if<std::vector<GraphId>>(&a.value)) {
      at += static_cast<int32_t>(list->size());
      if (at > g.index) return a.name;
    }
  }
  return "body";
}

}  // namespace

std::string group_title(const Scene& s, uint32_t group) {
  const OutlineGroup& g = s.outline.groups[group];
  using Kind = OutlineGroup::Kind;
  switch (g.kind) {
    case Kind::graph:
      return s.title;
    case Kind::repeat:
      return fmt::format("{} layers", std::count_if(g.items.begin(), g.items.end(),
                                                    [](const auto& i) { return i.is_group(); }));
    case Kind::layer:
      return fmt::format("layer {}", g.layer);
    case Kind::unit:
      return std::string(role_name(g.role));
    case Kind::glue:
      return g.role != Role::other ? fmt::format("shared by {}", role_name(g.role))
             : only_integers(s, g) ? "shape arithmetic"
                                   : "other ops";
    case Kind::body:
      return fmt::format("{} of {}", cli::shown(body_name(s, g), 40), cli::shown(s.m[g.owner].type, 40));
    case Kind::function: {
      const Function& f = s.m.functions[static_cast<size_t>(g.index)];
      return "function " + cli::shown(f.domain.empty() ? f.name : f.domain + "." + f.name, 60);
    }
  }
  return "";
}

std::string group_detail(const Scene& s, uint32_t group) {
  const OutlineGroup& g = s.outline.groups[group];
  using Kind = OutlineGroup::Kind;
  if (g.kind == Kind::unit) {
    const std::string text = unit_text(s.roles.units[static_cast<size_t>(g.unit)]);
    const size_t colon = text.find(": ");
    return colon == std::string::npos ? "" : text.substr(colon + 2);
  }
  if (g.kind == Kind::repeat || g.kind == Kind::layer) {
    for (const RepeatedBlock& b : s.roles.blocks) {
      if (g.layer < b.first_layer || g.layer >= b.first_layer + b.count) continue;
      std::string out;
      for (const Role r : b.units) out += (out.empty() ? "" : ", ") + std::string(role_name(r));
      return out;
    }
  }
  return frequent_ops(s, g, 3);
}

std::string short_type(const Type& t) {
  constexpr size_t kDim = 26;
  if (!t.known()) return "";
  if (!t.is_tensor() || !t.shape) return cli::shown(t.str(), 48);
  std::string s = std::string(onnx_name(t.dtype)) + "[";
  for (size_t i = 0; i < t.shape->size(); ++i) {
    const Dim d = (*t.shape)[i];
    const std::string text = d.is_unknown() ? "?" : d.str();
    s += (i > 0 ? ", " : "") + (text.size() > kDim ? ".." : text);
  }
  return cli::shown(s + "]", 64);
}

size_t color_of(const Scene& s, ColorBy by, NodeId n) {
  switch (by) {
    case ColorBy::role:
      return static_cast<size_t>(s.roles[n].role);
    case ColorBy::type:
      return s.type[n.v];
    case ColorBy::cost:
      return cost_step(s.total.flops > 0 ? s.of_node[n.v].flops / s.total.flops : 0);
    case ColorBy::change:
      break;
  }
  return s.change[n.v].step;
}

size_t color_of(const Scene& s, ColorBy by, uint32_t group) {
  switch (by) {
    case ColorBy::role:
      return static_cast<size_t>(s.outline.groups[group].role);
    case ColorBy::type:
      return s.group_type[group];
    case ColorBy::cost:
      return cost_step(s.total.flops > 0 ? s.of_group[group].flops / s.total.flops : 0);
    case ColorBy::change:
      break;
  }
  return s.group_change[group];
}

}  // namespace lathe::view
