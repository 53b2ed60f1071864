#include <fmt/format.h>

#include <filesystem>
#include <map>

#include "tools/cli.h"
#include "tools/diff/text.h"
#include "tools/diff/writer.h"

namespace lathe::cli {
namespace {

constexpr size_t kNodes = 24;    // of one side of a place that are shown
constexpr size_t kGroups = 60;   // folded sections
constexpr size_t kWeights = 60;  // rows

// Code in a table cell: nothing in it is markup.
std::string code(std::string_view text) {
  std::string out = "`";
  for (const char c : text) out += c == '`' ? "'" : c == '|' ? "\\|" : std::string(1, c);
  return out == "`" ? "" : out + "`";
}

// A line inside of a fenced block.
std::string fenced(std::string text) {
  for (char& c : text)
    if (c == '`') c = '\'';
  return text;
}

std::string bytes(int64_t n) { return human_bytes(static_cast<double>(n)); }

std::string percent(int64_t before, int64_t after) {
  if (before == after || before == 0) return "";
  const double p = 100.0 * (static_cast<double>(after) / static_cast<double>(before) - 1);
  return fmt::format("{:+.{}f} %", p, p > -10 && p < 10 ? 1 : 0);
}

class Markdown : Writer {
 public:
  explicit Markdown(const DiffInput& in) : in_(in), d_(in.d) {}

  std::string run() {
    const auto file = [](const std::string& path) {
      return code(shown(std::filesystem::path(path).filename().string()));
    };
    put("### {} → {}\n\n", file(in_.path_a), file(in_.path_b));
    if (d_.same()) {
      put("**Same**: both models compute the same ({} nodes, {} of weights).", d_.cost_a.nodes,
          bytes(d_.cost_a.bytes));
      if (d_.changes.renamed_nodes + d_.changes.renamed_values > 0)
        put(" {} nodes and {} values have other names.", d_.changes.renamed_nodes, d_.changes.renamed_values);
      put("\n");
      return std::move(out_);
    }
    summary();
    interface();
    places();
    changed();
    weights();
    values();
    ops();
    return std::move(out_);
  }

 private:
  void open(const std::string& title) { put("\n<details><summary>{}</summary>\n\n", title); }
  void close() { put("\n</details>\n"); }

  void summary() {
    const Totals t = totals(d_);
    const auto row = [&](const char* what, const std::string& a, const std::string& b,
                         const std::string& change) { put("| {} | {} | {} | {} |\n", what, a, b, change); };
    put("| | before | after | |\n|---|--:|--:|--:|\n");
    const auto count = [](size_t n) { return std::to_string(n); };
    row("nodes", count(d_.cost_a.nodes), count(d_.cost_b.nodes),
        percent(static_cast<int64_t>(d_.cost_a.nodes), static_cast<int64_t>(d_.cost_b.nodes)));
    row("parameters", human_count(static_cast<double>(d_.cost_a.parameters)),
        human_count(static_cast<double>(d_.cost_b.parameters)),
        percent(d_.cost_a.parameters, d_.cost_b.parameters));
    row("weights", bytes(d_.cost_a.bytes), bytes(d_.cost_b.bytes), percent(d_.cost_a.bytes, d_.cost_b.bytes));
    put("\n{} nodes removed, {} added, {} changed, {} rewired; ", d_.changes.removed, d_.changes.added,
        t.changed, t.rewired);
    const auto& w = d_.weights;
    put("{} weights {}, {} changed", w.same, w.read ? "same" : "of the same type and shape",
        w.changes.size());
    if (w.only_a + w.only_b > 0) put(", {} removed, {} added", w.only_a, w.only_b);
    put("; interface {}.\n", d_.interface.empty() ? "same" : "**changed**");
    if (!d_.provenance.rules.empty()) {
      put("Rewrites by lathe: ");
      bool first = true;
      for (const auto& [rule, n] : d_.provenance.rules) {
        put("{}{} × {}", first ? "" : ", ", code(shown(rule)), n);
        first = false;
      }
      put(".\n");
    }
  }

  void interface() {
    if (d_.interface.empty()) return;
    put("\n| interface | before | after |\n|---|---|---|\n");
    for (const auto& c : d_.interface)
      put("| {} {} | {} | {} |\n", diff::kind_name(c.kind), code(shown(c.name)), code(shown(c.before, 200)),
          code(shown(c.after, 200)));
  }

  void places() {
    const auto& groups = d_.changes.groups;
    for (size_t i = 0; i < groups.size(); ++i) {
      if (i == kGroups) {
        put("\n... and {} groups more (`onnx-diff -v` shows all).\n", groups.size() - i);
        break;
      }
      const auto& g = groups[i];
      const std::string rules = rules_text(g.rules);
      open(fmt::format("<b>{} ×</b> {}{}", g.hunks.size(), html(ops_title(g)),
                       rules.empty() ? "" : fmt::format(" <i>({})</i>", html(rules))));
      const diff::Hunk& h = d_.changes.hunks[g.hunks[0]];
      const std::string scope = scope_of(in_, h);
      put("```diff\n");
      if (!scope.empty()) put("@@ {} @@\n", fenced(shown(scope, 200)));
      lines(h.removed, true, scope);
      lines(h.added, false, scope);
      put("```\n");
      if (g.hunks.size() > 1) others(g);
      close();
    }
  }

  static std::string html(std::string_view text) {
    std::string out;
    for (const char c : text)
      out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : std::string(1, c);
    return out;
  }

  void lines(const std::vector<NodeId>& nodes, bool old_side, const std::string& scope) {
    for (size_t i = 0; i < nodes.size(); ++i) {
      if (i == kNodes) {
        put("  ... {} more nodes\n", nodes.size() - i);
        return;
      }
      put("{} {}\n", old_side ? '-' : '+',
          fenced(old_side ? line_of_a(in_, nodes[i], scope) : line_of_b(in_, nodes[i], scope)));
    }
  }

  void others(const diff::HunkGroup& g) {
    put("\nAlso at ");
    for (size_t k = 1; k < g.hunks.size(); ++k) {
      if (k == 12) {
        put(" and {} more", g.hunks.size() - k);
        break;
      }
      const diff::Hunk& h = d_.changes.hunks[g.hunks[k]];
      const std::string scope = scope_of(in_, h);
      const std::string at = !scope.empty()      ? shown(scope, 120)
                             : h.removed.empty() ? node_title(in_.b, h.added[0])
                                                 : node_title(in_.a, h.removed[0]);
      put("{}{}", k > 1 ? ", " : "", code(at));
    }
    put(".\n");
  }

  void changed() {
    const auto groups = change_groups(in_);
    if (groups.empty()) return;
    put("\n| changed nodes | | |\n|--:|---|---|\n");
    for (size_t i = 0; i < groups.size() && i < kGroups; ++i) {
      const ChangeGroup& g = groups[i];
      const auto& first = d_.changes.nodes[g.changes[0]];
      const std::string title = node_title(in_.a, first.a);
      put("| {} × | {} {} | {}{} |\n", g.changes.size(), code(shown(g.op)),
          g.changes.size() == 1 ? code(title) : "", g.rewired ? "rewired: " : "", code(g.text));
    }
    if (groups.size() > kGroups) put("\n... and {} more.\n", groups.size() - kGroups);
  }

  void weights() {
    const auto& w = d_.weights.changes;
    if (w.empty()) return;
    open(fmt::format("<b>{} weights changed</b>, the furthest first", w.size()));
    put("| weight | stored | bytes | max | mean | relative | cosine |\n|---|---|---|--:|--:|--:|--:|\n");
    for (size_t i = 0; i < w.size() && i < kWeights; ++i) {
      const auto& c = w[i];
      put("| {} | {} | {} |", code(shown(c.name_a)), storage_text(c),
          c.bytes_a == c.bytes_b ? bytes(c.bytes_a) : bytes(c.bytes_a) + " → " + bytes(c.bytes_b));
      if (c.compared)
        put(" {:.3g} | {:.3g} | {:.3g} | {:.6f} |\n", c.stats.max_abs, c.stats.mean_abs, c.stats.relative,
            c.stats.cosine);
      else
        put(" {} | | | |\n", stats_text(c));
    }
    if (w.size() > kWeights) put("\n... and {} more.\n", w.size() - kWeights);
    close();
  }

  void values() {
    if (in_.run == nullptr) return;
    const diff::RunReport& r = *in_.run;
    put("\n| values on seeded inputs | largest difference | |\n|---|--:|---|\n");
    for (const auto& v : r.outputs)
      put("| output {} | {} | {} |\n", code(shown(in_.a[v.a].name)), difference_text(v),
          v.same ? "agrees" : "**differs**");
    const auto worst = worst_values(r.alone);
    if (worst.empty()) return;
    const auto& first = r.alone[*r.first];
    put("\nFirst node that differs when fed with the reference's values: {}.\n", code(maker(in_, first)));
    open(fmt::format("<b>{} of {} values differ</b> by what their own node or rewrite does", worst.size(),
                     r.alone.size()));
    put("| made by | largest difference |\n|---|--:|\n");
    for (size_t i = 0; i < worst.size() && i < kWeights; ++i)
      put("| {} | {} |\n", code(maker(in_, *worst[i])), difference_text(*worst[i]));
    close();
  }

  void ops() {
    const auto counts = diff::changed_ops(d_.cost_a, d_.cost_b);
    if (counts.empty()) return;
    open("<b>Nodes by op</b>");
    put("| op | before | after |\n|---|--:|--:|\n");
    for (const auto& [op, n] : counts) put("| {} | {} | {} |\n", code(shown(op)), n.first, n.second);
    close();
  }

  const DiffInput& in_;
  const diff::Diff& d_;
};

}  // namespace

std::string diff_markdown(const DiffInput& in) { return Markdown(in).run(); }

}  // namespace lathe::cli
