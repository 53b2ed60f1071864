#include "tools/diff/lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "ir/base/quote.h"
#include "passes/diff/text.h"

namespace lathe::cli {
namespace {

constexpr size_t kMaxOperands = 8;

std::string_view without(std::string_view name, std::string_view scope) {
  return !scope.empty() && name.starts_with(scope) && name.size() > scope.size() ? name.substr(scope.size())
                                                                                 : name;
}

template <class Name>
std::string line(const Model& m, NodeId n, std::string_view scope, Name&& operand_of) {
  const Node& node = m[n];
  std::string out, in, attrs;
  for (const ValueId v : node.out) {
    if (!v && node.out.size() > 1) continue;
    out += (out.empty() ? "" : ", ") +
           (v && !m[v].name.empty() ? shown(without(m[v].name, scope)) : std::string("_"));
  }
  for (size_t i = 0; i < node.in.size(); ++i) {
    if (i == kMaxOperands && node.in.size() > kMaxOperands + 1) {
      in += fmt::format(", ... {} in all", node.in.size());
      break;
    }
    in += (i > 0 ? ", " : "") + (node.in[i] ? operand_of(node.in[i]) : std::string("_"));
  }
  for (const Attr& a : node.attrs.items()) {
    if (a.name.starts_with('$')) continue;
    attrs += (attrs.empty() ? "" : ", ") + shown(a.name) + " = " + diff::attr_text(m, a.value);
  }
  return fmt::format("{} = {}{} ({})", out, shown(diff::op_name(node)),
                     attrs.empty() ? "" : " <" + attrs + ">", in);
}

std::string operand(const Model& m, ValueId v, std::string_view name) {
  if (!v) return "nothing";
  if (const Tensor* t = m.constant(v); t != nullptr && (diff::is_small_constant(*t) || m[v].name.empty()))
    return diff::tensor_text(*t);
  return shown(name.empty() ? "_" : name);
}

}  // namespace

namespace {

std::string_view name_in_a(const DiffInput& in, ValueId v) {
  const ValueId twin = in.d.changes.value_b_to_a[v.v];
  return twin ? in.a[twin].name : in.b[v].name;
}

}  // namespace

std::string operand_of_a(const DiffInput& in, ValueId v) { return operand(in.a, v, v ? in.a[v].name : ""); }

std::string operand_of_b(const DiffInput& in, ValueId v) {
  return operand(in.b, v, v ? name_in_a(in, v) : std::string_view());
}

std::string line_of_a(const DiffInput& in, NodeId n, std::string_view scope) {
  return line(in.a, n, scope, [&](ValueId v) { return operand(in.a, v, without(in.a[v].name, scope)); });
}
std::string line_of_b(const DiffInput& in, NodeId n, std::string_view scope) {
  return line(in.b, n, scope, [&](ValueId v) { return operand(in.b, v, without(name_in_a(in, v), scope)); });
}

std::string scope_of(const DiffInput& in, const diff::Hunk& h) {
  std::optional<std::string_view> common;
  const auto take = [&](const Model& m, NodeId n) {
    const ValueId v = m[n].output(0);
    if (!v || m[v].name.empty()) return;
    const std::string_view name = m[v].name;
    if (!common) common = name;
    const size_t end = static_cast<size_t>(
        std::mismatch(common->begin(), common->end(), name.begin(), name.end()).first - common->begin());
    common = common->substr(0, end);
  };
  for (const NodeId n : h.removed) take(in.a, n);
  for (const NodeId n : h.added) take(in.b, n);
  if (!common) return "";
  const size_t end = common->find_last_of("/.");
  constexpr size_t kWorthIt = 6;
  return end == std::string_view::npos || end < kWorthIt ? "" : std::string(common->substr(0, end + 1));
}

std::string node_title(const Model& m, NodeId n) {
  const Node& node = m[n];
  if (m.is_hidden(n))
    return node.parent == m.main() ? "graph outputs" : "outputs of graph " + quote(m[node.parent].name);
  if (!node.name.empty()) return shown(node.name);
  const ValueId v = node.output(0);
  return v && !m[v].name.empty() ? shown(m[v].name) : "(unnamed)";
}

std::string rules_text(const std::vector<std::string>& rules) {
  std::string out;
  for (const std::string& r : rules) out += (out.empty() ? "" : ", ") + shown(r);
  return out;
}

std::string ops_title(const diff::HunkGroup& g) {
  if (g.new_ops.empty()) return shown(g.old_ops, 400) + " removed";
  if (g.old_ops.empty()) return shown(g.new_ops, 400) + " added";
  return shown(g.old_ops, 400) + " -> " + shown(g.new_ops, 400);
}

std::vector<ChangeGroup> change_groups(const DiffInput& in) {
  std::vector<ChangeGroup> out;
  std::map<std::pair<std::string, std::string>, size_t> at;
  const auto put = [&](size_t i, const std::string& op, const std::string& text, bool rewired) {
    // Rewirings name values: each stands alone.
    const auto [it, fresh] = at.try_emplace({op, rewired ? fmt::format("{}#{}", text, i) : text}, out.size());
    if (fresh) out.push_back({op, text, {}, rewired});
    out[it->second].changes.push_back(i);
  };
  for (size_t i = 0; i < in.d.changes.nodes.size(); ++i) {
    const diff::NodeChange& c = in.d.changes.nodes[i];
    const std::string op = in.a.is_hidden(c.a) ? "" : diff::op_name(in.a[c.a]);
    std::string text, rewired;
    for (const auto& attr : c.attrs)
      text += (text.empty() ? "" : "; ") + shown(attr.name) + " " + arrow(attr.before, attr.after);
    for (const auto& v : c.values)
      text += (text.empty() ? "" : "; ") + v.label + " " +
              arrow(operand_of_a(in, v.before), operand_of_b(in, v.after));
    for (const auto& v : c.rewired)
      rewired += (rewired.empty() ? "" : "; ") + v.label + " " +
                 arrow(operand_of_a(in, v.before), operand_of_b(in, v.after));
    if (!text.empty()) put(i, op, text, false);
    if (!rewired.empty()) put(i, op, rewired, true);
  }
  return out;
}

Totals totals(const diff::Diff& d) {
  Totals t;
  for (const auto& c : d.changes.nodes) {
    t.changed += c.changed() ? 1 : 0;
    t.rewired += c.rewired.empty() ? 0 : 1;
  }
  return t;
}

std::string dims_text(const std::vector<int64_t>& dims) {
  std::string s = "[";
  for (size_t i = 0; i < dims.size(); ++i) s += (i > 0 ? ", " : "") + std::to_string(dims[i]);
  return s + "]";
}

std::string stats_text(const diff::WeightChange& c) {
  using Kind = diff::WeightChange::Kind;
  if (!c.compared)
    return c.kind == Kind::shape    ? "shapes differ"
           : c.kind == Kind::unread ? "no data to compare"
                                    : "not compared";
  const diff::WeightStats& s = c.stats;
  std::string out;
  if (s.differing == 0) {
    out = "equal values";
  } else {
    out = fmt::format("max {:.3g}, mean {:.3g}, relative {:.3g}, cosine {:.6f}", s.max_abs, s.mean_abs,
                      s.relative, s.cosine);
    if (s.differing < s.count) out += fmt::format(", {} of {} values", s.differing, s.count);
  }
  if (s.nan_a + s.nan_b > 0) out += fmt::format(", not finite: {} -> {}", s.nan_a, s.nan_b);
  return out;
}

std::string storage_text(const diff::WeightChange& c) {
  const std::string before = c.stored_a + " " + dims_text(c.dims_a),
                    after = c.stored_b + " " + dims_text(c.dims_b);
  std::string out = before == after ? before : before + " -> " + after;
  return c.layout.empty() ? out : out + ", " + c.layout;
}

std::string interface_text(const diff::Diff& d) {
  return d.interface.empty()
             ? "same"
             : fmt::format("{} change{}", d.interface.size(), d.interface.size() == 1 ? "" : "s");
}

std::string difference_text(const diff::ValueDifference& v) {
  if (!v.same && !std::isfinite(v.max_abs) && !v.text.empty()) return shown(v.text, 160);
  return fmt::format("{:.2e} of {:.3g}", v.relative(), v.scale);
}

std::string maker(const DiffInput& in, const diff::ValueDifference& v) {
  if (!v.node || in.b.is_hidden(v.node)) return "input";
  return shown(diff::op_name(in.b[v.node])) + " '" + node_title(in.b, v.node) + "'";
}

std::vector<const diff::ValueDifference*> worst_values(const std::vector<diff::ValueDifference>& all) {
  std::vector<const diff::ValueDifference*> out;
  for (const auto& v : all)
    if (!v.same) out.push_back(&v);
  std::stable_sort(out.begin(), out.end(),
                   [](const auto* x, const auto* y) { return x->relative() > y->relative(); });
  return out;
}

std::string arrow(const std::string& before, const std::string& after) {
  if (before.empty()) return "added: " + after;
  if (after.empty()) return "removed: " + before;
  return before + " -> " + after;
}

}  // namespace lathe::cli
