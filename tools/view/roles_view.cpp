#include "tools/view/roles_view.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "tools/cli.h"

namespace lathe::view {
namespace {

// Consecutive units that read the same, counted.
std::vector<std::pair<std::string, size_t>> folded(const std::vector<std::string>& lines) {
  std::vector<std::pair<std::string, size_t>> out;
  for (const std::string& l : lines) {
    if (!out.empty() && out.back().first == l)
      ++out.back().second;
    else
      out.emplace_back(l, 1);
  }
  return out;
}

}  // namespace

std::string unit_text(const Unit& u) {
  std::string s(role_name(u.role));
  const auto add = [&](const std::string& text) {
    s += (s.find(':') == std::string::npos ? ": " : ", ") + text;
  };
  if (u.role == Role::attention) {
    if (u.heads > 0) add(fmt::format("{} heads", u.heads));
    if (u.head_size > 0) add(fmt::format("of {}", u.head_size));
    if (u.grouped()) add(fmt::format("{} key-value heads", u.kv_heads));
    if (u.cross) add("cross");
    if (u.causal) add("causal");
    if (u.rotary) add("rotary");
    if (u.relative_bias) add("relative bias");
  } else if (!u.activation.empty()) {
    add(u.activation);
    if (u.gated) add("gated");
  }
  if (u.fused && u.role == Role::attention) add("fused");
  return s;
}

std::string roles_text(const Model& m, const Roles& r, const std::string& title) {
  const cli::Paint p(STDOUT_FILENO);
  size_t nodes = 0, known = 0;
  for (const NodeId n : m.nodes(m.main())) {
    ++nodes;
    known += r[n].role != Role::other ? 1 : 0;
  }
  std::string out = fmt::format("{}{}{}  {} of {} nodes have a role\n", p.bold, title, p.reset, known, nodes);
  size_t block = 0;
  std::vector<std::string> loose;
  const auto flush = [&] {
    for (const auto& [text, count] : folded(loose))
      out += count > 1 ? fmt::format("{} x {}\n", text, count) : text + "\n";
    loose.clear();
  };
  for (const Unit& u : r.units) {
    if (u.layer < 0) {
      loose.push_back(unit_text(u));
      continue;
    }
    if (block >= r.blocks.size() || u.layer != r.blocks[block].first_layer) continue;
    flush();
    const RepeatedBlock& b = r.blocks[block];
    out += fmt::format("{}block of {} nodes x {}{}  {}(layers {} to {}){}\n", p.bold, b.nodes, b.count,
                       p.reset, p.dim, b.first_layer, b.first_layer + b.count - 1, p.reset);
    std::vector<std::string> inside;
    for (const Unit& v : r.units)
      if (v.layer == b.first_layer) inside.push_back("  " + unit_text(v));
    for (const auto& [text, count] : folded(inside))
      out += count > 1 ? fmt::format("{} x {}\n", text, count) : text + "\n";
    ++block;
  }
  flush();
  return out;
}

std::string roles_json(const Model& m, const Roles& r, const std::string& path) {
  using Json = nlohmann::ordered_json;
  Json j = {{"path", path},
            {"layers", r.layers},
            {"blocks", Json::array()},
            {"units", Json::array()},
            {"nodes", Json::array()}};
  for (const RepeatedBlock& b : r.blocks) {
    Json units = Json::array();
    for (const Role role : b.units) units.push_back(role_name(role));
    j["blocks"].push_back(
        {{"first_layer", b.first_layer}, {"count", b.count}, {"nodes", b.nodes}, {"units", units}});
  }
  for (const Unit& u : r.units) {
    Json unit = {
        {"role", role_name(u.role)}, {"layer", u.layer}, {"nodes", u.nodes.size()}, {"fused", u.fused}};
    if (u.role == Role::attention) {
      unit["heads"] = u.heads;
      unit["kv_heads"] = u.kv_heads;
      unit["head_size"] = u.head_size;
      unit["causal"] = u.causal;
      unit["rotary"] = u.rotary;
      unit["relative_bias"] = u.relative_bias;
      unit["cross"] = u.cross;
    } else if (!u.activation.empty()) {
      unit["kind"] = u.activation;
    }
    if (u.role == Role::feed_forward) unit["gated"] = u.gated;
    j["units"].push_back(std::move(unit));
  }
  for (const NodeId n : m.nodes(m.main())) {
    const NodeRole& role = r[n];
    Json node = {{"name", m[n].name},
                 {"op", m[n].type},
                 {"role", role_name(role.role)},
                 {"layer", role.layer},
                 {"unit", role.unit}};
    if (role.part != Part::none) node["part"] = part_name(role.part);
    j["nodes"].push_back(std::move(node));
  }
  return j.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace lathe::view
