#include "passes/diff/provenance.h"

#include <algorithm>
#include <unordered_map>

#include "ir/core/walk.h"
#include "passes/core/rewrite_log.h"

namespace lathe::diff {
namespace {

bool same(const RewriteRecord& a, const RewriteRecord& b) {
  return a.rule == b.rule && a.taken == b.taken && a.made == b.made;
}

}  // namespace

Provenance attribute_rewrites(const Model& a, const Model& b, Changes& changes) {
  const RewriteLog old_trail = read_rewrite_log(a), trail = read_rewrite_log(b);
  Provenance p;
  p.known = trail.known;
  p.input_sha256 = trail.input_sha256;
  size_t from = old_trail.records.size();
  if (from > trail.records.size() ||
      !std::equal(old_trail.records.begin(), old_trail.records.end(), trail.records.begin(), same))
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
    const RewriteRecord& r = trail.records[i];
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
  const RewriteLog log = read_rewrite_log(m);
  for (const RewriteRecord& r : log.records)
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
