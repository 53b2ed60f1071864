#include "passes/core/rewrite_log.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "ir/onnx/save.h"

namespace lathe {
namespace {

using Json = nlohmann::json;

std::vector<std::string> strings(const Json& j, const char* key) {
  std::vector<std::string> out;
  if (const auto it = j.find(key); it != j.end() && it->is_array())
    for (const Json& s : *it)
      if (s.is_string()) out.push_back(s.get<std::string>());
  return out;
}

std::string text(const Json& j, const char* key) {
  const auto it = j.find(key);
  return it != j.end() && it->is_string() ? it->get<std::string>() : std::string();
}

}  // namespace

RewriteLog read_rewrite_log(const Model& m) {
  RewriteLog out;
  for (const auto& [key, value] : m.info.metadata) {
    if (key != kRewritesKey) continue;
    const Json j = Json::parse(value, nullptr, false);
    if (!j.is_object()) return out;
    const auto list = j.find("rewrites");
    if (list == j.end() || !list->is_array()) return out;
    out.known = true;
    out.input_sha256 = text(j, "input_sha256");
    for (const Json& r : *list)
      if (r.is_object() && !text(r, "rule").empty())
        out.records.push_back({text(r, "pass"), text(r, "rule"), strings(r, "taken"), strings(r, "made")});
  }
  return out;
}

std::vector<RewriteStep> rewrites_behind(const RewriteLog& log, const std::string& node) {
  // Of several that made a node of this name the last one before its use counts.
  std::unordered_map<std::string_view, std::vector<size_t>> makers;
  for (size_t i = 0; i < log.records.size(); ++i)
    for (const std::string& made : log.records[i].made)
      if (!made.empty()) makers[made].push_back(i);
  struct Open {
    std::string node;
    size_t before, depth;
  };
  std::vector<RewriteStep> out;
  std::vector<bool> told(log.records.size());
  std::vector<Open> stack = {{node, log.records.size(), 0}};
  while (!stack.empty()) {
    const Open at = std::move(stack.back());
    stack.pop_back();
    const auto it = makers.find(at.node);
    if (it == makers.end()) continue;
    const auto after = std::lower_bound(it->second.begin(), it->second.end(), at.before);
    if (after == it->second.begin()) continue;
    const size_t i = *std::prev(after);
    if (told[i]) continue;
    told[i] = true;
    const RewriteRecord& r = log.records[i];
    out.push_back({&r, at.depth, at.node});
    for (auto t = r.taken.rbegin(); t != r.taken.rend(); ++t) stack.push_back({*t, i, at.depth + 1});
  }
  return out;
}

}  // namespace lathe
