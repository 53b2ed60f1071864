#include "tools/diff/text.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "tools/cli.h"
#include "tools/diff/writer.h"

namespace lathe::cli {
namespace {

constexpr size_t kLines = 8;    // of one side of a hunk, when short
constexpr size_t kGroups = 10;  // of a section, when short

std::string number(double x) { return human_count(x); }

// Git runs its pager itself and says so; less shows colors then.
Paint paint() {
  Paint p(STDOUT_FILENO);
  const char *pager = std::getenv("GIT_PAGER_IN_USE"), *plain = std::getenv("NO_COLOR");
  if (p.bold.empty() && pager != nullptr && std::string_view(pager) == "true" &&
      (plain == nullptr || *plain == '\0')) {
    p.bold = "\033[1m";
    p.dim = "\033[2m";
    p.green = "\033[32m";
    p.yellow = "\033[33m";
    p.red = "\033[31m";
    p.reset = "\033[0m";
  }
  return p;
}

class Text : Writer {
 public:
  Text(const DiffInput& in, bool verbose) : in_(in), d_(in.d), verbose_(verbose), p_(paint()) {}

  std::string run() {
    header();
    if (d_.same()) {
      put("{}same{}: the models compute the same{}\n", p_.green, p_.reset, renames());
      values();
      return std::move(out_);
    }
    interface();
    changes();
    hunks();
    weights();
    values();
    ops();
    return std::move(out_);
  }

 private:
  void section(const std::string& title) { put("\n{}{}{}\n", p_.bold, title, p_.reset); }
  void minus(const std::string& s) { put("  {}- {}{}\n", p_.red, s, p_.reset); }
  void plus(const std::string& s) { put("  {}+ {}{}\n", p_.green, s, p_.reset); }
  void note(const std::string& s) { put("    {}{}{}\n", p_.dim, s, p_.reset); }

  std::string renames() const {
    const auto& c = d_.changes;
    if (c.renamed_nodes + c.renamed_values == 0) return "";
    return fmt::format(" ({} nodes and {} values are named otherwise)", c.renamed_nodes, c.renamed_values);
  }

  void side(const char* mark, const std::string& color, const std::string& path, const diff::Cost& c) {
    put("{}{} {}{}  {} nodes, {} parameters, {}\n", color, mark, shown(path, 200), p_.reset, c.nodes,
        number(static_cast<double>(c.parameters)), human_bytes(static_cast<double>(c.bytes)));
  }

  void header() {
    side("---", p_.red, in_.path_a, d_.cost_a);
    side("+++", p_.green, in_.path_b, d_.cost_b);
    if (d_.same()) return;
    const Totals t = totals(d_);
    put("  interface  {}\n", interface_text(d_));
    put("  nodes      {} same, {} changed, {} rewired, {}{} removed{}, {}{} added{}\n",
        d_.alignment.aligned - std::min(d_.alignment.aligned, d_.changes.nodes.size()), t.changed, t.rewired,
        d_.changes.removed > 0 ? p_.red : "", d_.changes.removed, p_.reset,
        d_.changes.added > 0 ? p_.green : "", d_.changes.added, p_.reset);
    put("  weights    {}\n", weights_line());
    if (!d_.provenance.rules.empty()) {
      std::string rules;
      for (const auto& [rule, count] : d_.provenance.rules)
        rules += fmt::format("{}{} x {}", rules.empty() ? "" : ", ", shown(rule), count);
      put("  by lathe   {}\n", rules);
    }
    if (verbose_ && !renames().empty()) put("  names     {}\n", renames());
  }

  std::string weights_line() const {
    const auto& w = d_.weights;
    std::string s = fmt::format("{} {}, {} changed", w.same, w.read ? "same" : "of the same type and shape",
                                w.changes.size());
    if (w.only_a > 0)
      s += fmt::format(", {} removed ({})", w.only_a, human_bytes(static_cast<double>(w.only_a_bytes)));
    if (w.only_b > 0)
      s += fmt::format(", {} added ({})", w.only_b, human_bytes(static_cast<double>(w.only_b_bytes)));
    return s;
  }

  void interface() {
    if (d_.interface.empty()) return;
    section("interface");
    for (const auto& c : d_.interface) {
      const std::string name = fmt::format("{} {}", diff::kind_name(c.kind), shown(c.name));
      if (!c.before.empty()) minus(name + ": " + shown(c.before, verbose_ ? 2000 : 100));
      if (!c.after.empty()) plus(name + ": " + shown(c.after, verbose_ ? 2000 : 100));
    }
  }

  void changes() {
    const auto groups = change_groups(in_);
    if (groups.empty()) return;
    section("changed nodes");
    for (size_t i = 0; i < groups.size(); ++i) {
      if (!verbose_ && i == kGroups) {
        note(fmt::format("... {} more changes (-v shows all)", groups.size() - i));
        break;
      }
      const ChangeGroup& g = groups[i];
      const auto& first = d_.changes.nodes[g.changes[0]];
      const std::string title = g.op.empty() ? node_title(in_.a, first.a)
                                : g.changes.size() == 1
                                    ? fmt::format("{} '{}'", shown(g.op), node_title(in_.a, first.a))
                                    : fmt::format("{} x {}", g.changes.size(), shown(g.op));
      put("  {}~ {}{}: {}{}\n", p_.yellow, title, p_.reset, g.rewired ? "rewired: " : "", g.text);
      if (g.changes.size() > 1)
        for (size_t k = 0; k < g.changes.size(); ++k) {
          if (!verbose_ && k == 3) {
            note(fmt::format("... and {} more", g.changes.size() - k));
            break;
          }
          note(node_title(in_.a, d_.changes.nodes[g.changes[k]].a));
        }
    }
  }

  void hunks() {
    const auto& groups = d_.changes.groups;
    if (groups.empty()) return;
    section("removed and added nodes");
    for (size_t i = 0; i < groups.size(); ++i) {
      if (!verbose_ && i == kGroups) {
        size_t left = 0;
        for (size_t k = i; k < groups.size(); ++k) left += groups[k].hunks.size();
        note(fmt::format("... {} more places in {} groups (-v shows all)", left, groups.size() - i));
        break;
      }
      const std::string rules = rules_text(groups[i].rules);
      put("{}@@ {} x {} @@{}{}\n", p_.bold, groups[i].hunks.size(), ops_title(groups[i]), p_.reset,
          rules.empty() ? "" : fmt::format("  {}by {}{}", p_.dim, rules, p_.reset));
      for (size_t k = 0; k < groups[i].hunks.size(); ++k) {
        if (!verbose_ && k == 1) {
          note(fmt::format("... and {} more like it", groups[i].hunks.size() - 1));
          break;
        }
        hunk(d_.changes.hunks[groups[i].hunks[k]]);
      }
    }
  }

  void hunk(const diff::Hunk& h) {
    const std::string scope = scope_of(in_, h);
    if (!scope.empty()) note("in " + shown(scope, 200));
    const auto lines = [&](const std::vector<NodeId>& nodes, bool old_side) {
      for (size_t i = 0; i < nodes.size(); ++i) {
        if (!verbose_ && i + 1 > kLines && nodes.size() > kLines + 1) {
          note(fmt::format("... {} more nodes", nodes.size() - i));
          return;
        }
        if (old_side)
          minus(line_of_a(in_, nodes[i], scope));
        else
          plus(line_of_b(in_, nodes[i], scope));
        if (verbose_) {
          const std::string why = old_side ? diff::why_removed(in_.a, in_.b, d_, nodes[i])
                                           : diff::why_added(in_.a, in_.b, d_, nodes[i]);
          note(fmt::format("[{}] {}", node_title(old_side ? in_.a : in_.b, nodes[i]), why));
        }
      }
    };
    lines(h.removed, true);
    lines(h.added, false);
    size_t said = 0;
    for (const auto& r : h.readers) {
      if (!verbose_ && said++ == 2) {
        note(fmt::format("... {} more readers", h.readers.size() - 2));
        break;
      }
      note(fmt::format("read by {}: {} {}", node_title(in_.a, r.a), r.input.label,
                       arrow(operand_of_a(in_, r.input.before), operand_of_b(in_, r.input.after))));
    }
  }

  void weights() {
    const auto& w = d_.weights;
    if (w.changes.empty() && (!verbose_ || w.only_a + w.only_b == 0)) return;
    section("weights");
    for (size_t i = 0; i < w.changes.size(); ++i) {
      if (!verbose_ && i == kGroups) {
        note(fmt::format("... {} more, none further off (-v shows all)", w.changes.size() - i));
        break;
      }
      const auto& c = w.changes[i];
      put("  {}~ {}{}{}\n", p_.yellow, shown(c.name_a), p_.reset,
          c.name_a == c.name_b ? "" : " -> " + shown(c.name_b));
      note(fmt::format("{}, {}: {}", storage_text(c),
                       c.bytes_a == c.bytes_b
                           ? human_bytes(static_cast<double>(c.bytes_a))
                           : fmt::format("{} -> {}", human_bytes(static_cast<double>(c.bytes_a)),
                                         human_bytes(static_cast<double>(c.bytes_b))),
                       stats_text(c)));
    }
    if (!verbose_) return;
    const auto only = [&](const Model& m, const std::vector<ValueId>& list, bool old_side) {
      for (const ValueId v : list) {
        const Tensor& t = *m[v].constant;
        const std::string s =
            fmt::format("{}: {} {}", shown(m[v].name), onnx_name(t.dtype), dims_text(t.dims));
        if (old_side)
          minus(s);
        else
          plus(s);
      }
    };
    only(in_.a, w.removed, true);
    only(in_.b, w.added, false);
  }

  void values() {
    if (in_.run == nullptr) return;
    const diff::RunReport& r = *in_.run;
    section("values");
    std::string inputs;
    for (const auto& [name, type] : r.inputs)
      inputs += (inputs.empty() ? "" : ", ") + shown(name) + " " + type;
    note("seeded inputs: " + inputs);
    const auto worst = worst_values(r.alone);
    put("  {} values that both have, {} differ by what their own node or rewrite does\n", r.alone.size(),
        worst.size());
    if (r.first) {
      const auto& v = r.alone[*r.first];
      put("  {}first at{} {}: {}\n", p_.yellow, p_.reset, maker(in_, v), v.text);
    }
    for (size_t i = 0; i < worst.size() && (verbose_ || i < 5); ++i)
      note(fmt::format("{}  {}", difference_text(*worst[i]), maker(in_, *worst[i])));
    for (const auto& v : r.outputs)
      put("  output {}: {}{}{} ({})\n", shown(in_.a[v.a].name), v.same ? p_.green : p_.red,
          v.same ? "agrees" : "differs", p_.reset, difference_text(v));
  }

  void ops() {
    const auto counts = diff::changed_ops(d_.cost_a, d_.cost_b);
    if (counts.empty()) return;
    section("nodes by op");
    for (const auto& [op, n] : counts) {
      const auto delta = static_cast<int64_t>(n.second) - static_cast<int64_t>(n.first);
      put("  {:<40} {:>6} -> {:<6} {}{:+}{}\n", shown(op), n.first, n.second, delta < 0 ? p_.red : p_.green,
          delta, p_.reset);
    }
  }

  const DiffInput& in_;
  const diff::Diff& d_;
  bool verbose_;
  Paint p_;
};

}  // namespace

std::string diff_text(const DiffInput& in, bool verbose) { return Text(in, verbose).run(); }

}  // namespace lathe::cli
