#include "tools/inspect/provenance_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "ir/core/walk.h"
#include "ir/onnx/load.h"
#include "passes/core/remark.h"
#include "passes/core/rewrite_log.h"
#include "tools/cli.h"

namespace lathe::inspect {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& j) { return j.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

Model load(const std::string& path) { return load_model(path, {.lift = false, .external_data = false}); }

Json record_json(const RewriteRecord& r) {
  return {{"pass", r.pass}, {"rule", r.rule}, {"taken", r.taken}, {"made", r.made}};
}

// A few names of a list.
std::string names(const std::vector<std::string>& list) {
  constexpr size_t kFew = 6;
  std::string out;
  for (size_t i = 0; i < std::min(list.size(), kFew); ++i)
    out += fmt::format("{}'{}'", i > 0 ? ", " : "", cli::printable(list[i]));
  if (list.size() > kFew) out += fmt::format(" and {} more", list.size() - kFew);
  return out;
}

}  // namespace

std::string provenance_report(const std::string& path, bool json) {
  const RewriteLog log = read_rewrite_log(load(path));
  if (json) {
    Json j = {{"path", path}, {"recorded", log.known}};
    j["input_sha256"] = log.input_sha256.empty() ? Json(nullptr) : Json(log.input_sha256);
    j["rewrites"] = Json::array();
    for (const RewriteRecord& r : log.records) j["rewrites"].push_back(record_json(r));
    return dump(j);
  }
  if (!log.known) return fmt::format("{}: no record of rewrites (onnx-opt --provenance leaves one)\n", path);
  struct Sum {
    size_t times = 0, taken = 0, made = 0;
  };
  std::vector<std::pair<std::string, Sum>> sums;  // in the order of first use
  for (const RewriteRecord& r : log.records) {
    const std::string name =
        r.pass == r.rule || r.pass.empty() ? r.rule : fmt::format("{} ({})", r.pass, r.rule);
    auto it = std::find_if(sums.begin(), sums.end(), [&](const auto& s) { return s.first == name; });
    if (it == sums.end()) it = sums.insert(sums.end(), {name, {}});
    ++it->second.times;
    it->second.taken += r.taken.size();
    it->second.made += r.made.size();
  }
  const cli::Paint paint(STDOUT_FILENO);
  std::string out = fmt::format("{}{}{}: {} rewrites\n", paint.bold, path, paint.reset, log.records.size());
  if (!log.input_sha256.empty())
    out += fmt::format("made from a file with the SHA-256 {}\n", log.input_sha256);
  for (const auto& [name, s] : sums)
    out +=
        fmt::format("  {:>5} x {:<40} {} nodes became {}\n", s.times, cli::printable(name), s.taken, s.made);
  return out;
}

std::string why_report(const std::string& path, const std::string& node, bool json) {
  const Model m = load(path);
  bool there = false;
  for_each_node(m, [&](NodeId n) { there = there || node_label(m, n) == node || m[n].name == node; });
  if (!there) fail_usage("--why: {} has no node '{}'", path, node);
  const RewriteLog log = read_rewrite_log(m);
  const std::vector<RewriteStep> steps = rewrites_behind(log, node);
  if (json) {
    Json j = {{"path", path}, {"node", node}, {"recorded", log.known}, {"rewrites", Json::array()}};
    for (const RewriteStep& s : steps) {
      Json r = {{"made", s.node}, {"depth", s.depth}};
      r["record"] = record_json(*s.record);
      j["rewrites"].push_back(std::move(r));
    }
    return dump(j);
  }
  if (!log.known) return fmt::format("{}: no record of rewrites (onnx-opt --provenance leaves one)\n", path);
  if (steps.empty()) return fmt::format("'{}': no rewrite made it; it is as the input had it\n", node);
  std::string out;
  for (const RewriteStep& s : steps) {
    const std::string indent(2 * s.depth, ' ');
    const RewriteRecord& r = *s.record;
    out += fmt::format("{}'{}' was made by {}{}\n", indent, cli::printable(s.node), cli::printable(r.pass),
                       r.pass == r.rule ? "" : fmt::format(", rule {}", cli::printable(r.rule)));
    out += fmt::format("{}  from {}\n", indent, r.taken.empty() ? "nothing" : names(r.taken));
  }
  return out;
}

}  // namespace lathe::inspect
