#include "tools/run/profile.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/cli.h"

namespace lathe::cli {
namespace {

constexpr size_t kMaxEvents = 1 << 20;  // a long loop must not fill the memory
constexpr size_t kNodesShown = 15;

template <class Rows>
void longest_first(Rows& rows) {
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.second.seconds > b.second.seconds; });
}

}  // namespace

void RunProfile::add(const NodeRun& run) {
  Total& t = nodes_[run.node];
  t.seconds += run.seconds;
  t.bytes += run.bytes;
  ++t.calls;
  if (events_.size() < kMaxEvents) events_.push_back(run);
}

void RunProfile::clear() {
  nodes_.clear();
  events_.clear();
}

std::string RunProfile::op_name(NodeId n) const {
  return m_[n].domain.empty() ? m_[n].type : m_[n].domain + "." + m_[n].type;
}

std::string RunProfile::node_name(NodeId n) const {
  if (!m_[n].name.empty()) return m_[n].name;
  for (const ValueId v : m_[n].out)
    if (v) return m_[v].name;
  return "";
}

std::vector<std::pair<std::string, RunProfile::Total>> RunProfile::by_op() const {
  std::map<std::string, Total> ops;
  for (const auto& [node, t] : nodes_) {
    Total& sum = ops[op_name(node)];
    sum.seconds += t.seconds;
    sum.calls += t.calls;
    sum.bytes += t.bytes;
  }
  std::vector<std::pair<std::string, Total>> rows(ops.begin(), ops.end());
  longest_first(rows);
  return rows;
}

std::vector<std::pair<NodeId, RunProfile::Total>> RunProfile::by_node() const {
  std::vector<std::pair<NodeId, Total>> rows(nodes_.begin(), nodes_.end());
  longest_first(rows);
  return rows;
}

std::string RunProfile::text(int runs) const {
  const auto ops = by_op();
  double all = 0;
  for (const auto& [op, t] : ops) all += t.seconds;
  const auto row = [&](const Total& t, const std::string& what) {
    return fmt::format("{:>10.3f} {:>5.1f}% {:>7.0f} {:>10}  {}\n", t.seconds / runs * 1e3,
                       all > 0 ? 100 * t.seconds / all : 0.0, static_cast<double>(t.calls) / runs,
                       human_bytes(static_cast<double>(t.bytes) / runs), what);
  };
  std::string text = fmt::format("{:>10} {:>6} {:>7} {:>10}  {}\n", "ms", "part", "calls", "made", "op");
  for (const auto& [op, t] : ops) text += row(t, op);
  const auto nodes = by_node();
  const size_t shown = std::min(nodes.size(), kNodesShown);
  text += fmt::format("{:>10} {:>6} {:>7} {:>10}  {}\n", "ms", "part", "calls", "made",
                      fmt::format("node (the longest {} of {})", shown, nodes.size()));
  for (size_t i = 0; i < shown; ++i)
    text += row(nodes[i].second, fmt::format("{} {}", op_name(nodes[i].first), node_name(nodes[i].first)));
  return text;
}

nlohmann::ordered_json RunProfile::json(int runs) const {
  const auto figures = [runs](nlohmann::ordered_json who, const Total& t) {
    who["ms"] = t.seconds / runs * 1e3;
    who["calls"] = static_cast<double>(t.calls) / runs;
    who["bytes"] = static_cast<double>(t.bytes) / runs;
    return who;
  };
  nlohmann::ordered_json out = {{"ops", nlohmann::ordered_json::array()},
                                {"nodes", nlohmann::ordered_json::array()}};
  for (const auto& [op, t] : by_op()) out["ops"].push_back(figures({{"op", op}}, t));
  for (const auto& [n, t] : by_node())
    out["nodes"].push_back(figures({{"node", node_name(n)}, {"op", op_name(n)}}, t));
  return out;
}

nlohmann::ordered_json RunProfile::chrome_trace() const {
  auto events = nlohmann::ordered_json::array();
  for (const NodeRun& e : events_)
    events.push_back({{"name", op_name(e.node)},
                      {"cat", "node"},
                      {"ph", "X"},
                      {"ts", e.start * 1e6},
                      {"dur", e.seconds * 1e6},
                      {"pid", 1},
                      {"tid", 1},
                      {"args", {{"node", node_name(e.node)}, {"bytes", e.bytes}}}});
  return {{"traceEvents", std::move(events)}, {"displayTimeUnit", "ms"}};
}

}  // namespace lathe::cli
