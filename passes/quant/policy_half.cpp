#include "passes/quant/policy_half.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ir/core/walk.h"
#include "passes/quant/half/convert.h"
#include "passes/quant/half/slots.h"

namespace lathe {
namespace {

// The node as rules see it: its largest float32 constant is the weight, if it is more than a number.
WeightSite subject_of(const Model& m, NodeId n) {
  WeightSite s;
  const Node& node = m[n];
  s.node = n;
  s.kind = node.is("Conv")     ? WeightSite::Kind::conv
           : node.is("Gather") ? WeightSite::Kind::table
                               : WeightSite::Kind::product;
  for (const ValueId v : node.in) {
    if (!is_f32(m, v)) continue;
    const TensorPtr t = m.constant_ptr(v);
    if (!t || t->count() < 2 || (s.weight && t->count() <= s.weight->count())) continue;
    s.stored = v;
    s.weight = t;
  }
  if (!s.weight && s.kind == WeightSite::Kind::table) s.kind = WeightSite::Kind::product;  // of no constant
  return s;
}

bool is_matrix(const Tensor& t) {
  return std::all_of(t.dims.begin(), t.dims.end(), [&](int64_t d) { return d < t.count(); });
}

}  // namespace

PolicyHalves::PolicyHalves(const Policy& policy, int64_t min_elements, std::string data)
    : policy_(policy), min_elements_(min_elements), data_(data.empty() ? "seeded" : std::move(data)) {
  for (const DType t : {DType::F16, DType::BF16})
    if (std::any_of(policy.rules.begin(), policy.rules.end(),
                    [&](const PolicyRule& r) { return r.half() == t; }))
      kinds_.push_back(t);
}

// Norms and weights that no rule gives to halves stay, and so does whatever a rule names as float: a rule
// that matches all says that of weights alone. Small weights are not worth a Cast.
PolicyHalves::Wish PolicyHalves::wish_of(const PolicyRule* rule, Role role, bool weight, bool small) {
  Wish w;
  if (rule != nullptr && rule->half()) {
    w.dtype = *rule->half();
    w.rule = rule->place;
    w.wish = weight && small ? HalfWish::follow : HalfWish::wanted;
  } else if (role == Role::norm || (weight && !small) ||
             (rule != nullptr && rule->scheme == "float" && !rule->matches_all())) {
    w.wish = HalfWish::never;
  }
  return w;
}

std::set<std::string> PolicyHalves::read(const Model& m, const Roles& roles, int64_t all) {
  std::set<std::string> matched;
  wishes_.clear();
  for (const GraphId g : nested_graphs(m, m.main()))
    for (const NodeId n : m.nodes(g)) {
      const WeightSite s = subject_of(m, n);
      const int64_t bytes = s.weight ? static_cast<int64_t>(s.weight->byte_size()) : 0;
      const PolicyRule* rule = find_rule(policy_, m, roles, {.site = &s, .bytes = bytes, .all = all});
      const bool matrix = s.weight && is_matrix(*s.weight);
      const Wish w = wish_of(rule, role_of(s, roles), matrix, matrix && s.weight->count() < min_elements_);
      if (w.wish == HalfWish::wanted) matched.insert(w.rule);
      wishes_[n] = w;
    }
  return matched;
}

bool PolicyHalves::wants(NodeId n) const {
  const auto it = wishes_.find(n);
  return it != wishes_.end() && it->second.wish == HalfWish::wanted;
}

bool PolicyHalves::takes(const Model& m, const WeightSite& site, const PolicyRule* rule) {
  const bool table = site.kind == WeightSite::Kind::table;
  const ValueId own = m[site.node].in[table ? 0 : 1];
  sites_.push_back({site.node, m.constant(own) != nullptr ? own : site.stored});
  const Wish w = wish_of(rule, Role::other, true, site.weight->count() < min_elements_);
  wishes_[site.node] = w;
  // Its bias, which otherwise may go, and its Transpose, which is its weight.
  for (const NodeId n : site.taken)
    if (n != site.node && (w.wish == HalfWish::wanted || m[n].is("Transpose"))) wishes_[n] = w;
  return w.wish == HalfWish::wanted;
}

void PolicyHalves::apply(PassContext& ctx) {
  for (const DType t : kinds_) apply(ctx, t);
}

void PolicyHalves::apply(PassContext& ctx, DType dtype) {
  HalfOptions h{HalfKind::of(dtype), KeepList(ctx.pass, "")};
  h.measure = true;
  h.wish = [&](NodeId n) {
    const auto it = wishes_.find(n);
    if (it == wishes_.end()) return HalfWish::follow;
    const Wish& w = it->second;
    return w.wish == HalfWish::wanted && w.dtype != dtype ? HalfWish::never : w.wish;
  };
  const Observed seen = observe_magnitudes(ctx, h.kind, data_);
  const HalfPlan plan = plan_halves(ctx, h, seen);
  settle_masks(ctx, h.kind, seen, &plan.half);
  record(ctx, h.kind, plan, convert_halves(ctx, h, plan).constants);
}

// Why a weight that a rule gives to halves is not among them.
std::string PolicyHalves::why_not(const PassContext& ctx, const Site& site, const HalfPlan& plan) const {
  if (const auto it = plan.why.find(site.node); it != plan.why.end()) return it->second;
  if (!is_f32(ctx.model, site.weight))
    return fmt::format("it is of {}", onnx_name(ctx.model[site.weight].type.dtype));
  return ctx.out_of_fuel() ? "no fuel is left" : "its rewrite failed the check";
}

void PolicyHalves::record(PassContext& ctx, const HalfKind& kind, const HalfPlan& plan,
                          const std::vector<HalfConstant>& made) const {
  std::map<ValueId, const HalfConstant*> by_value;
  std::map<std::string, const HalfConstant*> by_name;
  for (const HalfConstant& c : made) {
    by_value[c.of] = &c;
    by_name[c.name] = &c;
  }
  std::vector<WeightRecord>& records = ctx.findings.weights;
  for (size_t i = 0; i < records.size(); ++i) {
    WeightRecord& r = records[i];
    const HalfConstant* c = nullptr;
    std::string why = "among halves";
    if (i < sites_.size()) {
      const auto wish = wishes_.find(sites_[i].node);
      const bool wanted = wish != wishes_.end() && wish->second.wish == HalfWish::wanted;
      if (wanted && wish->second.dtype != kind.dtype) continue;
      if (const auto it = by_value.find(sites_[i].weight); it != by_value.end()) c = it->second;
      if (wanted) {
        why = "rule " + wish->second.rule;
        if (c == nullptr) r.why = why + ": " + why_not(ctx, sites_[i], plan);
      }
    } else if (const auto it = by_name.find(r.weight); it != by_name.end() && r.scheme == "float") {
      c = it->second;
    }
    if (c == nullptr) continue;
    r.scheme = kind.name;
    r.error = c->error;
    r.why = why;
    if (r.before > 0) r.after = c->after;
  }
}

}  // namespace lathe
