#include "tools/view/cost_view.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "tools/cli.h"

namespace lathe::view {
namespace {

struct Row {
  std::string name;
  size_t nodes = 0;
  int64_t parameters = 0, weight_bytes = 0;
  double macs = 0, flops = 0, moved = 0;  // moved: activations and weights
  double intensity() const { return moved > 0 ? flops / moved : 0; }
};

Row& operator+=(Row& r, const Row& o) {
  r.nodes += o.nodes;
  r.parameters += o.parameters;
  r.weight_bytes += o.weight_bytes;
  r.macs += o.macs;
  r.flops += o.flops;
  r.moved += o.moved;
  return r;
}

Row row_of(const NodeCost& k, const Sizes& sizes) {
  const auto number = [&](Dim d) { return static_cast<double>(at(d, sizes).value_or(0)); };
  return {"",
          1,
          k.cost.parameters,
          k.cost.weight_bytes,
          number(k.cost.macs),
          number(k.cost.flops),
          number(k.cost.read) + number(k.cost.written) + static_cast<double>(k.cost.weight_bytes)};
}

using Groups = std::vector<Row>;

template <class Key>
Groups group(const ModelCost& c, const Sizes& sizes, Key&& key) {
  std::map<std::string, Row> rows;
  for (const NodeCost& k : c.nodes) {
    const std::string name = key(k.node);
    if (name.empty()) continue;
    Row r = row_of(k, sizes);
    Row& to = rows[name];
    to.name = name;
    to += r;
  }
  Groups out;
  for (auto& [name, r] : rows) out.push_back(std::move(r));
  std::stable_sort(out.begin(), out.end(), [](const Row& a, const Row& b) {
    return a.flops != b.flops ? a.flops > b.flops : a.moved > b.moved;
  });
  return out;
}

Row sum(const Groups& rows) {
  Row s;
  for (const Row& r : rows) s += r;
  return s;
}

struct Tables {
  Row all;
  Groups ops, roles, layers;
};

Tables tables(const Model& m, const ModelCost& c, const Roles& r, const Sizes& sizes) {
  Tables t;
  t.ops = group(c, sizes,
                [&](NodeId n) { return m[n].domain.empty() ? m[n].type : m[n].domain + "." + m[n].type; });
  t.roles = group(c, sizes, [&](NodeId n) { return std::string(role_name(r[n].role)); });
  t.layers = group(c, sizes, [&](NodeId n) {
    const int32_t layer = r[n].layer;
    return layer < 0 ? std::string("outside of layers") : fmt::format("layer {:>3}", layer);
  });
  if (r.layers == 0) t.layers.clear();
  std::sort(t.layers.begin(), t.layers.end(), [](const Row& a, const Row& b) { return a.name < b.name; });
  t.all = sum(t.ops);
  return t;
}

// layer 0, layer 1, ... that cost the same are one line.
Groups fold(const Groups& layers) {
  Groups out;
  std::vector<size_t> count;
  for (const Row& r : layers) {
    if (!out.empty() && out.back().name.starts_with("layer") && r.name.starts_with("layer") &&
        out.back().flops == r.flops && out.back().weight_bytes == r.weight_bytes &&
        out.back().nodes == r.nodes) {
      ++count.back();
      continue;
    }
    out.push_back(r);
    count.push_back(1);
  }
  for (size_t i = 0; i < out.size(); ++i) {
    if (count[i] == 1) continue;
    const auto first = std::stoi(out[i].name.substr(6));
    out[i].name =
        fmt::format("layers {} to {}, each of {}", first, first + static_cast<int>(count[i]) - 1, count[i]);
  }
  return out;
}

std::string formula(Dim d) {
  if (d.has_unknown()) return "depends on data";
  std::string s = d.str();
  return s.size() > 160 ? fmt::format("a formula of {} characters", s.size()) : s;
}

}  // namespace

Sizes choose_sizes(const Model& m, const std::string& given, std::string& assumed) {
  std::vector<std::string> names;
  std::set<std::string> leading;
  for (const ValueId v : m.inputs(m.main())) {
    if (!m[v].type.shape || m[v].constant != nullptr) continue;
    const Shape& s = *m[v].type.shape;
    for (size_t i = 0; i < s.size(); ++i)
      for (const std::string& name : s[i].symbols()) {
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
        if (i == 0) leading.insert(name);
      }
  }
  Sizes sizes;
  for (size_t at = 0; at < given.size();) {
    const size_t end = std::min(given.find(',', at), given.size());
    const std::string item = given.substr(at, end - at);
    at = end + 1;
    const auto [name, n] = cli::dim_size(item);
    if (std::find(names.begin(), names.end(), name) == names.end())
      fail_usage("--dim: the model has no symbolic size '{}'{}", name,
                 names.empty() ? "" : fmt::format(" (it has {})", fmt::join(names, ", ")));
    sizes[name] = n;
  }
  for (const std::string& name : names) {
    if (sizes.contains(name)) continue;
    sizes[name] = leading.contains(name) ? 1 : 128;
    assumed += fmt::format("{}{}={}", assumed.empty() ? "" : ",", name, sizes[name]);
  }
  return sizes;
}

std::string cost_text(const Model& m, const ModelCost& c, const Roles& r, const Sizes& sizes,
                      const std::string& assumed, const std::string& title) {
  const cli::Paint p(STDOUT_FILENO);
  const Tables t = tables(m, c, r, sizes);
  const auto count = [](double x) { return cli::human_count(x); };
  const auto bytes = [](double x) { return cli::human_bytes(x); };
  std::string where;
  for (const auto& [name, n] : sizes) where += fmt::format("{}{}={}", where.empty() ? "" : ", ", name, n);
  std::string out = fmt::format("{}{}{}", p.bold, title, p.reset);
  if (!where.empty()) out += fmt::format("  at {}", where);
  if (!assumed.empty()) out += fmt::format("  {}(--dim {} to choose){}", p.dim, assumed, p.reset);
  out += '\n';
  const auto row = [&](std::string_view name, const std::string& text, Dim d) {
    const bool symbolic = !d.is_const();
    out += fmt::format("{}{:<12}{} {:<22}{}{}{}\n", p.dim, name, p.reset, text, p.dim,
                       symbolic ? "= " + formula(d) : "", p.reset);
  };
  std::string types;
  for (const auto& [type, b] : c.bytes_by_type)
    types += fmt::format("{}{} {}", types.empty() ? "" : ", ", bytes(static_cast<double>(b)), type);
  out += fmt::format("{}{:<12}{} {} in {}\n", p.dim, "parameters", p.reset,
                     count(static_cast<double>(c.total.parameters)), types.empty() ? "0 B" : types);
  row("MACs", count(t.all.macs), c.total.macs);
  row("FLOPs", count(t.all.flops), c.total.flops);
  if (const auto top = peak(c, sizes)) {
    const LiveStep& l = c.live[*top];
    row("peak", bytes(static_cast<double>(*at(l.bytes, sizes))), l.bytes);
    out += fmt::format("{}{:<12} of activations, while {} '{}' runs{}\n", p.dim, "", m[l.node].type,
                       m[l.node].name, p.reset);
  }
  row("moved", bytes(t.all.moved), c.total.read + c.total.written + Dim(c.total.weight_bytes));
  out +=
      fmt::format("{}{:<12}{} {:.1f} FLOPs a byte moved\n", p.dim, "intensity", p.reset, t.all.intensity());
  if (c.unknown_nodes > 0)
    out += fmt::format(
        "{}{:<12}{} {} nodes have sizes that depend on data; they count as far as they are known\n", p.yellow,
        "open", p.reset, c.unknown_nodes);
  const auto table = [&](std::string_view heading, const Groups& rows, size_t most) {
    if (rows.empty()) return;
    size_t width = heading.size();
    for (size_t i = 0; i < rows.size() && i < most; ++i) width = std::max(width, rows[i].name.size());
    width = std::min<size_t>(width, 44);
    out +=
        fmt::format("\n{}{:<{}} {:>6} {:>9} {:>9} {:>9} {:>9} {:>6} {:>9} {:>7}{}\n", p.bold, heading, width,
                    "nodes", "params", "weights", "MACs", "FLOPs", "share", "moved", "FLOP/B", p.reset);
    const auto print = [&](const Row& x) {
      out += fmt::format("{:<{}} {:>6} {:>9} {:>9} {:>9} {:>9} {:>5.1f}% {:>9} {:>7.1f}\n", x.name, width,
                         x.nodes, count(static_cast<double>(x.parameters)),
                         bytes(static_cast<double>(x.weight_bytes)), count(x.macs), count(x.flops),
                         t.all.flops > 0 ? 100 * x.flops / t.all.flops : 0, bytes(x.moved), x.intensity());
    };
    Row rest;
    for (size_t i = 0; i < rows.size(); ++i)
      if (i < most)
        print(rows[i]);
      else
        rest += rows[i];
    if (rest.nodes > 0) {
      rest.name = fmt::format("{} more", rows.size() - most);
      print(rest);
    }
  };
  table("by op", t.ops, 12);
  table("by role", t.roles, 12);
  table("by layer", fold(t.layers), 24);
  return out;
}

std::string cost_json(const Model& m, const ModelCost& c, const Roles& r, const Sizes& sizes,
                      const std::string& path) {
  using Json = nlohmann::ordered_json;
  const Tables t = tables(m, c, r, sizes);
  const auto formula_json = [](Dim d) { return d.has_unknown() ? Json(nullptr) : Json(d.str()); };
  Json j = {{"path", path}, {"sizes", sizes}, {"parameters", c.total.parameters}};
  j["weight_bytes"] = c.total.weight_bytes;
  j["bytes_by_type"] = c.bytes_by_type;
  j["parameters_by_type"] = c.elements_by_type;
  j["macs"] = {{"value", t.all.macs}, {"formula", formula_json(c.total.macs)}};
  j["flops"] = {{"value", t.all.flops}, {"formula", formula_json(c.total.flops)}};
  j["bytes_moved"] = {{"value", t.all.moved},
                      {"formula", formula_json(c.total.read + c.total.written + Dim(c.total.weight_bytes))}};
  j["intensity"] = t.all.intensity();
  if (const auto top = peak(c, sizes))
    j["peak_activation_bytes"] = {{"value", *at(c.live[*top].bytes, sizes)},
                                  {"formula", formula_json(c.live[*top].bytes)},
                                  {"node", m[c.live[*top].node].name}};
  j["nodes_with_unknown_sizes"] = c.unknown_nodes;
  const auto rows = [](const Groups& g) {
    Json a = Json::array();
    for (const Row& x : g)
      a.push_back({{"name", x.name},
                   {"nodes", x.nodes},
                   {"parameters", x.parameters},
                   {"weight_bytes", x.weight_bytes},
                   {"macs", x.macs},
                   {"flops", x.flops},
                   {"bytes_moved", x.moved},
                   {"intensity", x.intensity()}});
    return a;
  };
  j["by_op"] = rows(t.ops);
  j["by_role"] = rows(t.roles);
  j["by_layer"] = rows(t.layers);
  return j.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace lathe::view
