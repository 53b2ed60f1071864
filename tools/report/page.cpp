#include "tools/report/page.h"

#include <fmt/format.h>

#include <cmath>
#include <ctime>
#include <filesystem>

#include "tools/cli.h"
#include "tools/markup.h"
#include "tools/view/front_view.h"
#include "tools/view/precision_view.h"

namespace lathe::report {
namespace {

std::string bytes(int64_t n) { return cli::human_bytes(static_cast<double>(n)); }

std::string ratio(int64_t before, int64_t after) {
  return before > 0 ? fmt::format("{:.3f}", static_cast<double>(after) / static_cast<double>(before)) : "-";
}

std::string number(double x, int digits = 5) {
  return std::isfinite(x) ? fmt::format("{:.{}f}", x, digits) : std::string("-");
}

std::string name_of(const std::string& path) { return std::filesystem::path(path).filename().string(); }

Section files(const view::OptReport& r) {
  Section s{.title = "Files", .head = {"", "before", "after", "ratio"}, .rows = {}, .note = {}};
  s.rows.push_back({"file", name_of(r.input.path), name_of(r.output.path), ""});
  s.rows.push_back(
      {"size", bytes(r.input.bytes), bytes(r.output.bytes), ratio(r.input.bytes, r.output.bytes)});
  s.rows.push_back({"bytes", std::to_string(r.input.bytes), std::to_string(r.output.bytes), ""});
  s.rows.push_back({"weights", bytes(r.before.parameter_bytes), bytes(r.after.parameter_bytes),
                    ratio(r.before.parameter_bytes, r.after.parameter_bytes)});
  s.rows.push_back({"nodes", std::to_string(r.before.nodes), std::to_string(r.after.nodes), ""});
  s.rows.push_back({"SHA-256", r.input.sha256, r.output.sha256, ""});
  return s;
}

Section roles(const view::OptReport& r) {
  Section s{.title = "Size by role",
            .head = {"role", "tensors", "before", "after", "ratio"},
            .rows = {},
            .note = {}};
  for (const auto& [role, b] : view::bytes_by_role(r.pipeline.findings))
    s.rows.push_back(
        {role, std::to_string(b.weights), bytes(b.before), bytes(b.after), ratio(b.before, b.after)});
  return s;
}

Section accuracy(const view::OptReport& r) {
  constexpr double kThreshold = 0.99;
  Section s{.title = "Accuracy", .head = {"outputs against the original", "value"}, .rows = {}, .note = {}};
  const Measured& m = *r.measured;
  if (!m.fidelity) {
    s.note = "Not measured: " + m.why_not;
    return s;
  }
  const Fidelity& f = *m.fidelity;
  s.rows.push_back({"cosine, mean", number(f.mean_cosine)});
  s.rows.push_back({"cosine, least", number(f.min_cosine)});
  s.rows.push_back({"mean squared error", fmt::format("{:.3g}", f.mse)});
  s.rows.push_back({"largest difference", fmt::format("{:.4g}", f.max_abs)});
  if (std::isfinite(f.kl))
    s.rows.push_back({"log-probabilities, KL divergence", fmt::format("{:.3g}", f.kl)});
  if (std::isfinite(f.top1)) s.rows.push_back({"top-1 agreement", fmt::format("{:.2f} %", 100 * f.top1)});
  s.rows.push_back(
      {fmt::format("mean cosine above {}", kThreshold), f.mean_cosine > kThreshold ? "pass" : "fail"});
  s.note = fmt::format("{} vectors, {}, in lathe's executor.", f.vectors, m.data);
  return s;
}

Section latency(const view::OptReport& r) {
  Section s{.title = "Latency", .head = {"", "before", "after", "ratio"}, .rows = {}, .note = {}};
  const Latencies& l = r.measured->latency;
  if (l.runtime.empty()) {
    s.note = "Not measured" + (l.why.empty() ? "." : ": " + l.why);
    return s;
  }
  const auto row = [&](const char* name, double before, double after) {
    s.rows.push_back({name, fmt::format("{:.2f} ms", 1000 * before), fmt::format("{:.2f} ms", 1000 * after),
                      number(after / before, 2)});
  };
  row("P50", l.before.p50, l.after.p50);
  row("P95", l.before.p95, l.after.p95);
  s.note = fmt::format("{}; {}.{}", l.runtime, l.input, l.why.empty() ? "" : " " + l.why + ".");
  return s;
}

Section weights(const view::OptReport& r) {
  Section s{.title = "Weights",
            .head = {"weight", "role", "layer", "scheme", "before", "after", "error", "why"},
            .rows = {},
            .note = "Error: relative, of the weight. What is no matrix stays in float and is left out here."};
  for (const WeightRecord& w : r.pipeline.findings.weights) {
    if (w.scheme == "float" && (w.why == "no matrix" || w.why == "norms stay")) continue;
    s.rows.push_back({cli::printable(w.weight), w.part.empty() ? w.role : w.role + " " + w.part,
                      w.layer >= 0 ? std::to_string(w.layer) : "-", w.scheme, bytes(w.before), bytes(w.after),
                      w.scheme == "float" ? "-" : number(w.error, 4), cli::printable(w.why)});
  }
  return s;
}

Section front(const view::OptReport& r) {
  Section s{.title = "Pareto front",
            .head = {"bits/block by role", "size", "mean cosine", "least cosine", "KL", "latency (model)",
                     "chosen"},
            .rows = {},
            .note = {}};
  for (const FrontPoint& p : r.pipeline.findings.front)
    s.rows.push_back({p.what, bytes(p.bytes), number(p.mean), number(p.min), number(p.kl),
                      number(p.latency, 2) + "x", p.chosen ? "yes" : ""});
  return s;
}

Section rewrites(const view::OptReport& r) {
  Section s{.title = "Rewrites", .head = {"rule", "times"}, .rows = {}, .note = {}};
  for (const auto& [rule, n] : r.pipeline.stats) s.rows.push_back({rule, std::to_string(n)});
  s.note = r.pipeline.rejected == 0
               ? "Each was run on both sides before it was made, unless checks were off."
               : fmt::format("{} failed their check and were not made.", r.pipeline.rejected);
  return s;
}

std::string today() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  return fmt::format("{:04}-{:02}-{:02}", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday);
}

std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|' || c == '\\' || c == '`' || c == '*' || c == '_' || c == '<' || c == '[') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

Page make_page(const view::OptReport& r) {
  Page p;
  p.title = "onnx-opt: " + cli::printable(name_of(r.input.path));
  p.lead = fmt::format("{}, onnx-opt {}; {}.", today(), cli::version(),
                       r.machine.cpu.empty() ? fmt::format("{} cores", r.machine.cores)
                                             : fmt::format("{}, {} cores", r.machine.cpu, r.machine.cores));
  p.sections.push_back(files(r));
  if (!r.pipeline.findings.weights.empty()) p.sections.push_back(roles(r));
  if (r.measured) {
    p.sections.push_back(accuracy(r));
    p.sections.push_back(latency(r));
  }
  if (!r.pipeline.findings.front.empty()) {
    p.sections.push_back(front(r));
    p.plot = view::front_svg(r.pipeline.findings, name_of(r.input.path));
  }
  if (!r.pipeline.findings.weights.empty()) p.sections.push_back(weights(r));
  p.sections.push_back(rewrites(r));
  return p;
}

std::string to_markdown(const Page& p) {
  std::string out = fmt::format("# {}\n\n{}\n", cell(p.title), cell(p.lead));
  for (const Section& s : p.sections) {
    out += fmt::format("\n## {}\n\n", s.title);
    if (!s.rows.empty()) {
      out += '|';
      for (const auto& h : s.head) out += " " + cell(h) + " |";
      out += "\n|";
      for (size_t i = 0; i < s.head.size(); ++i) out += i == 0 ? "---|" : "--:|";
      out += '\n';
      for (const auto& row : s.rows) {
        out += '|';
        for (const auto& c : row) out += " " + cell(c) + " |";
        out += '\n';
      }
    }
    if (!s.note.empty()) out += (s.rows.empty() ? "" : "\n") + cell(s.note) + "\n";
  }
  return out;
}

std::string to_html(const Page& p) {
  std::string out = fmt::format(
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\"><title>{0}</title><style>\n"
      ":root {{ --ink: #24292f; --line: #d0d7de; --paper: #ffffff; --soft: #57606a; }}\n"
      "@media (prefers-color-scheme: dark) {{ :root {{ --ink: #e6edf3; --line: #30363d; --paper: #0d1117; "
      "--soft: #8b949e; }} }}\n"
      "body {{ font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: "
      "72rem; "
      "margin: 2rem auto; padding: 0 1rem; }}\n"
      "table {{ border-collapse: collapse; display: block; overflow-x: auto; }}\n"
      "th, td {{ border-bottom: 1px solid var(--line); padding: .25rem .75rem; text-align: right; }}\n"
      "th:first-child, td:first-child {{ text-align: left; overflow-wrap: anywhere; }}\n"
      "p.note {{ color: var(--soft); }} svg {{ max-width: 100%; height: auto; }}\n"
      "</style></head><body><h1>{0}</h1><p>{1}</p>\n",
      cli::xml(p.title), cli::xml(p.lead));
  for (const Section& s : p.sections) {
    out += fmt::format("<h2>{}</h2>\n", cli::xml(s.title));
    if (s.title == "Pareto front") out += p.plot;
    if (!s.rows.empty()) {
      out += "<table><thead><tr>";
      for (const auto& h : s.head) out += "<th>" + cli::xml(h) + "</th>";
      out += "</tr></thead><tbody>\n";
      for (const auto& row : s.rows) {
        out += "<tr>";
        for (const auto& c : row) out += "<td>" + cli::xml(c) + "</td>";
        out += "</tr>\n";
      }
      out += "</tbody></table>\n";
    }
    if (!s.note.empty()) out += fmt::format("<p class=\"note\">{}</p>\n", cli::xml(s.note));
  }
  return out + "</body></html>\n";
}

}  // namespace lathe::report
