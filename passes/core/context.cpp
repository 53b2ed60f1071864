#include "passes/core/context.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "ir/core/order.h"
#include "ir/core/walk.h"
#include "ir/onnx/lift.h"
#include "passes/core/failure.h"
#include "passes/core/gradient_names.h"
#include "passes/core/patch_test.h"

namespace lathe {
namespace {

// The most specific of what both sides say of one value; nullopt where they contradict each other.
std::optional<Type> merge(const Type& before, const Type& after) {
  if (!before.is_tensor() || !after.is_tensor()) return before.known() ? before : after;
  if (before.dtype != DType::Undefined && after.dtype != DType::Undefined && before.dtype != after.dtype)
    return std::nullopt;
  Type t = before;
  if (t.dtype == DType::Undefined) t.dtype = after.dtype;
  if (!before.shape) t.shape = after.shape;
  if (!before.shape || !after.shape) return t;
  if (before.shape->size() != after.shape->size()) return std::nullopt;
  for (size_t i = 0; i < before.shape->size(); ++i) {
    const Dim a = (*before.shape)[i], b = (*after.shape)[i];
    if (a.is_const() && b.is_const() && !(a == b)) return std::nullopt;
    if (a.has_unknown() || b.is_const()) (*t.shape)[i] = b.has_unknown() ? a : b;
  }
  return t;
}

bool keeps_old_meaning(const Model& m) {
  bool found = false;
  for_each_node(m, [&](NodeId n) { found = found || !is_canonical(m[n]); });
  return found;
}

bool dead(const Model& m, NodeId n) {
  if (m[n].erased || m.is_hidden(n)) return false;
  return std::all_of(m[n].out.begin(), m[n].out.end(), [&](ValueId v) { return !v || m[v].uses.empty(); });
}

bool reads_elsewhere(const Model& m, const Patch& patch) {
  std::unordered_set<ValueId> near;
  for (const auto* side : {&patch.taken, &patch.made})
    for (const NodeId n : *side) near.insert(m[n].out.begin(), m[n].out.end());
  for (const NodeId n : patch.taken) near.insert(m[n].in.begin(), m[n].in.end());
  const auto elsewhere = [&](ValueId v) {
    return v && m[v].def && !m.is_hidden(m[v].def) && !near.contains(v);
  };
  for (const NodeId n : patch.made)
    if (std::any_of(m[n].in.begin(), m[n].in.end(), elsewhere) || !m.subgraphs(n).empty()) return true;
  return std::any_of(patch.replace.begin(), patch.replace.end(),
                     [&](const auto& p) { return elsewhere(p.second); });
}

}  // namespace

void erase_dead(Model& m, std::vector<NodeId> candidates) {
  while (!candidates.empty()) {
    const NodeId n = candidates.back();
    candidates.pop_back();
    if (!dead(m, n)) continue;
    std::vector<ValueId> in = m[n].in;
    for (const GraphId g : m.subgraphs(n))
      for (const ValueId v : captures(m, g)) in.push_back(v);
    m.erase(n);
    for (const ValueId v : in)
      if (v && m[v].def) candidates.push_back(m[v].def);
  }
}

void PassContext::missed(std::string rule, NodeId node, std::string why) {
  if (settings.explain_missed)
    remarks.push_back(
        {Remark::Kind::missed, pass, std::move(rule), node_label(model, node), std::move(why), node});
}

bool PassContext::spend(std::string rule, std::string node, std::string text) {
  if (settings.fuel == 0) return false;
  --settings.fuel;
  ++commits;
  ++stats[rule];
  model.trail.push_back({pass, rule, {node}, {}});
  remarks.push_back({Remark::Kind::applied, pass, std::move(rule), std::move(node), std::move(text)});
  return true;
}

bool PassContext::commit(Builder& builder, Patch patch) {
  const std::string node = node_label(model, patch.root);
  const auto refuse = [&](Remark::Kind kind, std::string why) {
    if (kind != Remark::Kind::missed || settings.explain_missed)
      remarks.push_back({kind, pass, patch.rule, node, std::move(why), patch.root});
    builder.discard();
    return false;
  };
  if (settings.fuel == 0) {
    builder.discard();
    return false;
  }
  patch.made = builder.made();
  for (const OpsetImport& o : builder.opsets())
    if (o.domain.empty() && o.version > model.opset("") && keeps_old_meaning(model))
      return refuse(Remark::Kind::missed,
                    fmt::format("it needs opset {}, which cannot say what another node of this model means",
                                o.version));

  std::vector<Type> types;
  for (const auto& [from, to] : patch.replace) {
    const auto t = merge(model[from].type, model[to].type);
    if (!t)
      return refuse(Remark::Kind::missed, fmt::format("the type would change from {} to {}",
                                                      model[from].type.str(), model[to].type.str()));
    types.push_back(*t);
  }
  if (const std::string why = gradient_refusal(model, patch); !why.empty())
    return refuse(Remark::Kind::missed, why);
  if (settings.verify != Verify::off) {
    const PatchTestResult test = test_patch(model, values, patch, {.seed = settings.seed});
    if (test.outcome == PatchTestResult::Outcome::differs) {
      ++rejected;
      if (!settings.failure_dir.empty()) write_failure(model, patch, pass, test.why, settings);
      return refuse(Remark::Kind::rejected, test.why);
    }
    if (test.outcome == PatchTestResult::Outcome::not_run)
      return refuse(Remark::Kind::missed, fmt::format("could not be verified: {}", test.why));
  }

  --settings.fuel;
  ++commits;
  ++stats[patch.rule];
  RewriteRecord record{pass, patch.rule, {}, {}};
  for (const NodeId n : patch.taken) record.taken.push_back(node_label(model, n));
  for (const NodeId n : patch.made) record.made.push_back(node_label(model, n));
  const std::string what = !patch.what.empty() ? patch.what
                           : patch.made.empty()
                               ? "removed"
                               : fmt::format("{} nodes became {}", patch.taken.size(),
                                             patch.made.size() == 1 ? model[patch.made[0]].type
                                                                    : std::to_string(patch.made.size()));
  remarks.push_back({Remark::Kind::applied, pass, patch.rule, node, what});

  for (const OpsetImport& o : builder.opsets()) model.require_opset(o.domain, o.version);
  const GraphId g = model[patch.root].parent;
  // Placed before the root, new nodes find what the old side read. Anything else may be defined later.
  const bool must_sort = !patch.in_order && (patch.replace.size() > 1 || reads_elsewhere(model, patch));
  for (const NodeId n : patch.made) model.place(n, g, patch.root);
  // A new value takes the name of the value it stands for, as far as that one goes away.
  std::vector<std::pair<ValueId, std::string>> names;
  for (size_t i = 0; i < patch.replace.size(); ++i) {
    const auto [from, to] = patch.replace[i];
    model.set_type(to, types[i]);
    if (const auto known = values.find(from); known != values.end()) values.try_emplace(to, known->second);
    model.replace_uses(from, to);
    if (std::find(patch.made.begin(), patch.made.end(), model[to].def) != patch.made.end())
      names.emplace_back(to, model[from].name);
  }
  std::vector<ValueId> olds;
  for (const auto& [from, to] : patch.replace) olds.push_back(from);
  erase_dead(model, patch.taken);
  for (size_t i = 0, k = 0; i < patch.replace.size(); ++i) {
    if (k >= names.size() || patch.replace[i].second != names[k].first) continue;
    model.set_name(names[k].first,
                   model[olds[i]].erased ? names[k].second : model.unique_name(names[k].second));
    ++k;
  }
  for (const NodeId n : patch.made)
    for (const ValueId v : model[n].out)
      if (v && model[v].name.empty()) model.set_name(v, model.unique_name(model[n].name + "_out"));
  if (must_sort) restore_order(model, g);
  model.trail.push_back(std::move(record));
  return true;
}

bool PassContext::apply_at(const Rule& rule, NodeId n) {
  const ValueId root = model[n].output(0);
  if (!root) return false;
  NearMiss near;
  // Half of a pair of ops is nothing near.
  const int size = op_count(rule.pattern);
  const bool explain = settings.explain_missed && explain_near_misses && size >= 3;
  const auto m = match(model, rule.pattern, root, explain ? &near : nullptr);
  if (!m) {
    if (explain && near.matched * 2 >= size && near.matched >= 2) missed(rule.name, n, near.why);
    return false;
  }
  if (rule.closed)
    for (const NodeId inner : m->nodes) {
      if (inner == n) continue;
      for (const ValueId v : model[inner].out)
        for (const Use& u : v ? model[v].uses : std::vector<Use>{})
          if (!m->has(u.node)) {
            missed(rule.name, n,
                   model.is_hidden(u.node)
                       ? fmt::format("'{}' is also an output of the graph", model[v].name)
                       : fmt::format("'{}' is also used by '{}'", model[v].name, node_label(model, u.node)));
            return false;
          }
    }
  if (rule.guard)
    if (const Refusal why = rule.guard(*m, settings.target)) {
      missed(rule.name, n, *why);
      return false;
    }
  if (out_of_fuel()) return false;
  Builder b(model, values, n);
  const ValueId made = rule.emit(b, *m);
  if (!made) {
    b.discard();
    return false;
  }
  return commit(b, {.rule = rule.name,
                    .root = n,
                    .taken = m->nodes,
                    .replace = {{root, made}},
                    .exactness = rule.exactness});
}

uint64_t PassContext::apply(std::span<const Rule> rules) {
  std::unordered_map<std::string, std::vector<const Rule*>> by_root;
  for (const Rule& r : rules)
    for (const std::string& type : root_ops(r.pattern)) by_root[type].push_back(&r);
  const uint64_t before = commits;
  constexpr int kMaxSweeps = 16;  // a bound, should two rules undo each other
  for (int sweep = 0; sweep < kMaxSweeps; ++sweep) {
    const uint64_t at_start = commits;
    for (const GraphId g : nested_graphs(model, model.main()))
      for (const NodeId n : model.nodes(g)) {
        if (model[n].erased) continue;
        const auto it =
            by_root.find(model[n].domain.empty() ? model[n].type : model[n].domain + "::" + model[n].type);
        if (it == by_root.end()) continue;
        for (const Rule* r : it->second)
          if (apply_at(*r, n)) break;
        if (out_of_fuel()) return commits - before;
      }
    if (commits == at_start) break;
  }
  return commits - before;
}

}  // namespace lathe
