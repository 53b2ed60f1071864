#include "tools/view/opt_report.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <tuple>
#include <unordered_set>

#include "ir/base/mapped_file.h"
#include "ir/base/output_file.h"
#include "ir/base/sha256.h"
#include "ir/core/walk.h"
#include "tools/cli.h"
#include "tools/report/page.h"
#include "tools/view/front_view.h"
#include "tools/view/precision_view.h"

namespace lathe::view {
namespace {

using Kind = Remark::Kind;

const char* kind_name(Kind k) {
  switch (k) {
    case Kind::applied:
      return "applied";
    case Kind::missed:
      return "missed";
    case Kind::rejected:
      return "rejected";
    case Kind::unverified:
      return "unverified";
  }
  return "?";
}

nlohmann::ordered_json facts(const FileFacts& f, const ModelFacts& m) {
  nlohmann::ordered_json j;
  j["path"] = f.path;
  j["bytes"] = f.bytes;
  if (!f.sha256.empty()) j["sha256"] = f.sha256;
  j["nodes"] = m.nodes;
  j["parameters"] = m.parameters;
  j["parameter_bytes"] = m.parameter_bytes;
  j["opsets"] = m.opsets;
  j["ops"] = m.ops;
  return j;
}

// What is known of weights and of the two models' difference; nothing where nothing was asked.
void precision(nlohmann::ordered_json& j, const OptReport& r) {
  const Findings& found = r.pipeline.findings;
  if (!found.weights.empty()) {
    for (const auto& [role, b] : bytes_by_role(found))
      j["roles"][role] = {{"tensors", b.weights}, {"before", b.before}, {"after", b.after}};
    j["weights"] = nlohmann::ordered_json::array();
    for (const WeightRecord& w : found.weights)
      j["weights"].push_back({{"weight", w.weight},
                              {"node", w.node},
                              {"op", w.op},
                              {"role", w.role},
                              {"part", w.part},
                              {"layer", w.layer},
                              {"scheme", w.scheme},
                              {"why", w.why},
                              {"before", w.before},
                              {"after", w.after},
                              {"error", w.error}});
  }
  if (!found.front.empty()) j["front"] = front_json(found);
  if (!r.measured) return;
  const report::Measured& m = *r.measured;
  if (m.fidelity) {
    const Fidelity& f = *m.fidelity;
    j["accuracy"] = {{"data", m.data},
                     {"vectors", f.vectors},
                     {"mean_cosine", f.mean_cosine},
                     {"min_cosine", f.min_cosine},
                     {"mse", f.mse},
                     {"max_difference", f.max_abs}};
    if (std::isfinite(f.kl)) j["accuracy"]["kl"] = f.kl;
    if (std::isfinite(f.top1)) j["accuracy"]["top1_agreement"] = f.top1;
  } else {
    j["accuracy"] = {{"not_measured", m.why_not}};
  }
  const report::Latencies& l = m.latency;
  if (!l.runtime.empty()) {
    const auto seconds = [](const report::Latency& x) {
      return nlohmann::ordered_json{{"p50", x.p50}, {"p95", x.p95}};
    };
    j["latency"] = {{"runtime", l.runtime},
                    {"input", l.input},
                    {"before", seconds(l.before)},
                    {"after", seconds(l.after)}};
  }
  j["machine"] = {{"cpu", r.machine.cpu}, {"cores", r.machine.cores}};
}

}  // namespace

FileFacts describe_file(const std::filesystem::path& path, bool hash) {
  FileFacts f;
  f.path = path.string();
  if (path == "-") return f;
  std::error_code error;
  f.bytes = static_cast<int64_t>(std::filesystem::file_size(path, error));
  if (error) f.bytes = 0;  // loading tells what is wrong
  if (hash && !error) f.sha256 = sha256_hex(MappedFile::open(path)->bytes());
  return f;
}

ModelFacts measure(const Model& m) {
  ModelFacts f;
  f.nodes = node_count(m);
  for_each_node(m,
                [&](NodeId n) { ++f.ops[m[n].domain.empty() ? m[n].type : m[n].domain + "." + m[n].type]; });
  for (const GraphId g : all_graphs(m))
    for (const ValueId v : m[g].initializers) {
      if (!m[v].constant) continue;
      f.parameters += m[v].constant->count();
      f.parameter_bytes += static_cast<int64_t>(m[v].constant->byte_size());
    }
  for (const OpsetImport& o : m.info.opsets) f.opsets[o.domain.empty() ? "ai.onnx" : o.domain] = o.version;
  return f;
}

std::string summary(const OptReport& r) {
  const cli::Paint p(STDOUT_FILENO);
  uint64_t rewrites = 0;
  for (const auto& [rule, n] : r.pipeline.stats) rewrites += n;
  const auto bytes = [](int64_t n) { return cli::human_bytes(static_cast<double>(n)); };
  // A stream's size is not known; what it holds is.
  const bool stream = r.input.path == "-" || r.output.path == "-";
  std::string out =
      fmt::format("{}{}{}: {} -> {} nodes, {} -> {}{} in {}\n", p.bold,
                  r.output.path == "-" ? "standard output" : cli::printable(r.output.path), p.reset,
                  r.before.nodes, r.after.nodes, bytes(stream ? r.before.parameter_bytes : r.input.bytes),
                  bytes(stream ? r.after.parameter_bytes : r.output.bytes), stream ? " of weights" : "",
                  cli::human_seconds(r.seconds));
  std::string rules;
  for (const auto& [rule, n] : r.pipeline.stats)
    rules += fmt::format("{}{} x {}", rules.empty() ? "" : ", ", rule, n);
  if (!rules.empty()) out += fmt::format("  {} rewrites: {}\n", rewrites, rules);
  return out;
}

namespace {

// A reason without the names in it: equal ones are one line.
std::string shape_of(const std::string& text) {
  std::string out;
  bool quoted = false;
  for (const char c : text) {
    if (c == '\'') quoted = !quoted;
    if (!quoted && (c < '0' || c > '9')) out += c;
  }
  return out;
}

std::string missed_text(const std::vector<Remark>& remarks) {
  std::vector<std::pair<const Remark*, size_t>> groups;
  std::map<std::tuple<Kind, std::string, std::string>, size_t> known;
  for (const Remark& m : remarks) {
    if (m.kind == Kind::applied) continue;
    const auto [it, fresh] = known.try_emplace({m.kind, m.rule, shape_of(m.text)}, groups.size());
    if (fresh) groups.emplace_back(&m, 0);
    ++groups[it->second].second;
  }
  std::string out;
  for (const auto& [m, n] : groups) {
    out += fmt::format("{}: {} at '{}': {}\n", kind_name(m->kind), m->rule, cli::printable(m->node),
                       cli::printable(m->text));
    if (n > 1) out += fmt::format("  and {} more like it (all of them: --report=FILE)\n", n - 1);
  }
  return out;
}

}  // namespace

std::string remarks_text(const OptReport& r, bool applied, bool missed) {
  std::string out;
  for (const Remark& m : r.pipeline.remarks)
    if (applied && m.kind == Kind::applied)
      out += fmt::format("applied: {} at '{}': {}\n", m.rule, cli::printable(m.node), cli::printable(m.text));
  return missed ? out + missed_text(r.pipeline.remarks) : out;
}

std::string time_table(const OptReport& r) {
  std::string out = fmt::format("{:<24} {:>9} {:>9} {:>7}\n", "pass", "seconds", "rewrites", "nodes");
  for (const PassReport& p : r.pipeline.passes)
    out += fmt::format("{:<24} {:>9.4f} {:>9} {:>7}\n", p.pass, p.seconds, p.commits, p.nodes_after);
  return out;
}

std::string stats_table(const OptReport& r) {
  std::string out = fmt::format("{:<32} {:>9}\n", "rule", "rewrites");
  for (const auto& [rule, n] : r.pipeline.stats) out += fmt::format("{:<32} {:>9}\n", rule, n);
  return out;
}

std::string to_json(const OptReport& r) {
  nlohmann::ordered_json j;
  j["tool"] = "onnx-opt " + cli::version();
  j["input"] = facts(r.input, r.before);
  j["output"] = facts(r.output, r.after);
  j["seconds"] = r.seconds;
  j["rules"] = r.pipeline.stats;
  j["rejected"] = r.pipeline.rejected;
  j["passes"] = nlohmann::ordered_json::array();
  for (const PassReport& p : r.pipeline.passes)
    j["passes"].push_back({{"pass", p.pass},
                           {"changed", p.changed},
                           {"rewrites", p.commits},
                           {"seconds", p.seconds},
                           {"nodes_before", p.nodes_before},
                           {"nodes_after", p.nodes_after}});
  j["remarks"] = nlohmann::ordered_json::array();
  for (const Remark& m : r.pipeline.remarks)
    j["remarks"].push_back({{"kind", kind_name(m.kind)},
                            {"pass", m.pass},
                            {"rule", m.rule},
                            {"node", m.node},
                            {"text", m.text}});
  precision(j, r);
  return j.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

void write_report(const OptReport& r, const std::filesystem::path& path) {
  OutputFile file(path);
  if (path.extension() == ".md")
    file.write(report::to_markdown(report::make_page(r)));
  else if (path.extension() == ".html" || path.extension() == ".htm")
    file.write(report::to_html(report::make_page(r)));
  else
    file.write(to_json(r) + "\n");
  file.commit();
}

}  // namespace lathe::view
