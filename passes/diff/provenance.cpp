#include "passes/diff/provenance.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "ir/core/walk.h"
#include "ir/onnx/save.h"

namespace lathe::diff {
namespace {

using Json = nlohmann::json;

struct Record {
  std::string rule;
  std::vector<std::string> taken, made;
  bool operator==(const Record&) const = default;
};

std::vector<std::string> strings(const Json& j, const char* key) {
  std::vector<std::string> out;
  if (const auto it = j.find(key); it != j.end() && it->is_array())
    for (const Json& s : *it)
      if (s.is_string()) out.push_back(s.get<std::string>());
  return out;
}

struct Trail {
  std::vector<Record> records;
  std::string sha256;
  bool known = false;
};

Trail read_trail(const Model& m) {
  Trail out;
  for (const auto& [key, value] : m.info.metadata) {
    if (key != kRewritesKey) continue;
    const Json j = Json::parse(value, nullptr, false);
    if (!j.is_object()) return out;
    const auto list = j.find("rewrites");
    if (list == j.end() || !list->is_array()) return out;
    out.known = true;
    if (const auto it = j.find("input_sha256"); it != j.end() && it->is_string())
      out.sha256 = it->get<std::string>();
    for (const Json& r : *list)
      if (r.is_object() && r.contains("rule") && r["rule"].is_string())
        out.records.push_back({r["rule"].get<std::string>(), strings(r, "taken"), strings(r, "made")});
  }
  return out;
}

}  // namespace

Provenance attribute_rewrites(const Model& a, const Model& b, Changes& changes) {
  const Trail old_trail = read_trail(a), trail = read_trail(b);
  Provenance p;
  p.known = trail.known;
  p.input_sha256 = trail.sha256;
  size_t from = old_trail.records.size();
  if (from > trail.records.size() ||
      !std::equal(old_trail.records.begin(), old_trail.records.end(), trail.records.begin()))
    from = 0;
  std::unordered_map<std::string_view, std::vector<uint32_t>> taken_by, made_by;
  for (size_t i = 0; i < changes.hunks.size(); ++i) {
    for (const NodeId n : changes.hunks[i].removed) taken_by[a[n].name].push_back(static_cast<uint32_t>(i));
    for (const NodeId n : changes.hunks[i].added) made_by[b[n].name].push_back(static_cast<uint32_t>(i));
  }
  const auto credit = [&](const auto& by, const std::vector<std::string>& names, const std::string& rule) {
    for (const std::string& name : names) {
      const auto it = by.find(name);
      if (name.empty() || it == by.end()) continue;
      for (const uint32_t h : it->second) {
        auto& rules = changes.hunks[h].rules;
        if (std::find(rules.begin(), rules.end(), rule) == rules.end()) rules.push_back(rule);
      }
    }
  };
  for (size_t i = from; i < trail.records.size(); ++i) {
    const Record& r = trail.records[i];
    ++p.rules[r.rule];
    credit(made_by, r.made, r.rule);
    credit(taken_by, r.taken, r.rule);
  }
  group_hunks(a, b, changes);
  return p;
}

std::vector<std::string> rules_by_node(const Model& m) {
  std::vector<std::string> out(m.node_capacity());
  std::unordered_map<std::string, std::vector<std::string>> made;  // node -> rules
  for (const Record& r : read_trail(m).records)
    for (const std::string& name : r.made)
      if (auto& rules = made[name]; std::find(rules.begin(), rules.end(), r.rule) == rules.end())
        rules.push_back(r.rule);
  for_each_node(m, [&](NodeId n) {
    const auto it = m[n].name.empty() ? made.end() : made.find(m[n].name);
    if (it == made.end()) return;
    for (const std::string& rule : it->second) out[n.v] += (out[n.v].empty() ? "" : ", ") + rule;
  });
  return out;
}

}  // namespace lathe::diff
