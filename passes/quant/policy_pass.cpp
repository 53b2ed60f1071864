// policy{file=...}: every weight gets the scheme of the first rule that matches it.
#include "passes/quant/policy_pass.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "ir/core/walk.h"
#include "passes/all_passes.h"
#include "passes/fusion/split_slow.h"
#include "passes/quant/int8/dynamic.h"
#include "passes/quant/int8/sites.h"
#include "passes/quant/int8/smooth.h"
#include "passes/quant/rounding/gptq.h"
#include "passes/quant/weight_only.h"
#include "passes/quant/weight_records.h"

namespace lathe {
namespace {

constexpr const char* kDynamic = "quant-dynamic";

void run(PassContext& ctx, const PassOptions& o) {
  if (o.text("file").empty()) fail_usage("pass 'policy' wants file=POLICY.xml");
  const PolicyOptions options = policy_options(ctx, o);  // bad usage before a bad file
  apply_policy(ctx, read_policy(o.text("file")), options);
}

}  // namespace

PolicyOptions policy_options(const PassContext& ctx, const PassOptions& o) {
  return {
      .data = o.text("data"), .damping = damping_option(ctx, o), .min_elements = o.integer("min-elements")};
}

Scheme settled(const PolicyRule& r, const WeightSite& s, bool has_data) {
  Scheme scheme = *r.weight_only;
  if (r.best_rounding && has_data && scheme.bits < 8) scheme.rounding = Rounding::gptq;
  const bool table = s.kind == WeightSite::Kind::table;
  if (table && (scheme.rounding == Rounding::gptq || scheme.rounding == Rounding::awq))
    scheme.rounding = Rounding::mse;  // rows are picked, not multiplied
  return scheme;
}

namespace {

class Application {
 public:
  Application(PassContext& ctx, const Policy& policy, const PolicyOptions& o)
      : ctx_(ctx), m_(ctx.model), policy_(policy), o_(o) {}

  void run() {
    weigh();
    const bool bytes = std::any_of(policy_.rules.begin(), policy_.rules.end(),
                                   [](const PolicyRule& r) { return r.scheme == kDynamic; });
    if (bytes) dynamic();
    split_fused_weights(ctx_, {.min_elements = o_.min_elements, .embeddings = true});
    roles_ = analyze_roles(m_);
    WeightOnlyOptions w;
    w.data = o_.data;
    w.damping = gptq_damping(o_.damping, o_.data);
    w.choose = [&](const WeightSite& s) { return choice(s); };
    quantize_weights(ctx_, w);
    ctx_.findings.weights.insert(ctx_.findings.weights.begin(), records_.begin(), records_.end());
    if (weights_ > 0 && matched_.empty())
      fail("policy '{}' decides about none of the {} weights of the model", policy_.name, weights_);
    if (!ctx_.settings.explain_missed) return;
    for (const PolicyRule& r : policy_.rules)
      if (!matched_.contains(r.place))
        ctx_.remarks.push_back(
            {Remark::Kind::missed, ctx_.pass, "policy", r.place, "the rule decides about no weight"});
  }

 private:
  // The matrices that shares are of: what is there at first, fused or not.
  void weigh() {
    std::set<const void*> seen;  // a shared one counts once
    for (const GraphId g : all_graphs(m_))
      for (const ValueId v : m_[g].initializers)
        if (const Tensor* t = m_.constant(v); t != nullptr && t->rank() >= 2 && is_floating(t->dtype) &&
                                              t->count() > 0 && seen.insert(t->bytes().data()).second)
          all_ += static_cast<int64_t>(t->byte_size());
    weights_ = seen.size();
  }

  const PolicyRule* rule_of(const WeightSite& s) {
    const PolicyRule* r = find_rule(
        policy_, m_, roles_, {.site = &s, .bytes = static_cast<int64_t>(s.weight->byte_size()), .all = all_});
    if (r != nullptr) matched_.insert(r->place);
    return r;
  }

  std::string too_small(const WeightSite& s) const {
    return s.weight->count() >= o_.min_elements
               ? std::string()
               : fmt::format("the weight has {} elements, fewer than min-elements={}", s.weight->count(),
                             o_.min_elements);
  }

  SiteChoice choice(const WeightSite& s) {
    if (std::string why = too_small(s); !why.empty()) return {{}, std::move(why)};
    const PolicyRule* r = rule_of(s);
    if (r == nullptr) return {{}, "no rule of the policy matches"};
    const std::string rule = "rule " + r->place;
    if (r->scheme == kDynamic) return {{}, fmt::format("{} gives {}, which cannot be here", rule, kDynamic)};
    if (!r->weight_only) return {{}, rule};
    if (r->scheme == "rows" && s.kind != WeightSite::Kind::table)
      return {{}, fmt::format("{} gives rows, which is for tables", rule)};
    return {settled(*r, s, !o_.data.empty() && o_.data != "seeded"), rule};
  }

  // INT8 weights and activations, before anything takes fused nodes apart.
  void dynamic() {
    DynamicOptions d;
    d.data = o_.data;
    const bool contrib = ctx_.settings.target.has_contrib();
    d.form = contrib ? DynamicForm::contrib : DynamicForm::standard;
    if (contrib) split_biases(ctx_);
    roles_ = analyze_roles(m_);
    // Decided before channels are evened, which gives weights new names and nodes, in the same order.
    std::vector<std::optional<WeightRecord>> wanted;
    std::set<NodeId> chosen;
    for (const WeightSite& s : find_byte_sites(m_)) {
      auto& record = wanted.emplace_back();
      if (!too_small(s).empty()) continue;
      const PolicyRule* r = rule_of(s);
      if (r == nullptr || r->scheme != kDynamic) continue;
      chosen.insert(s.node);
      record = record_of(m_, roles_, s);
      record->scheme = kDynamic;
      record->why = "rule " + r->place;
      const DType t = s.weight->dtype;
      if (t == DType::F32 || t == DType::F16 || t == DType::BF16)
        record->error = quantize_bytes(*s.weight, s.transposed, d.format).rms_error;
      record->after = s.weight->count();
    }
    constexpr double kSmooth = 0.7;  // as the pass's default
    smooth_inputs(ctx_, {kSmooth, d.data, [&](const WeightSite& s) { return chosen.contains(s.node); }});
    const std::vector<WeightSite> sites = find_byte_sites(m_);
    if (sites.size() == wanted.size()) {
      chosen.clear();
      for (size_t i = 0; i < sites.size(); ++i)
        if (wanted[i]) chosen.insert(sites[i].node);
    }
    d.keep = [&](const WeightSite& s) {
      return chosen.contains(s.node) ? std::string() : std::string("the policy gives it another scheme");
    };
    quantize_dynamic(ctx_, d);
    for (size_t i = 0; i < wanted.size(); ++i)
      if (wanted[i] && i < sites.size() && m_[sites[i].node].erased)
        records_.push_back(std::move(*wanted[i]));
  }

  PassContext& ctx_;
  Model& m_;
  const Policy& policy_;
  const PolicyOptions& o_;
  Roles roles_;
  int64_t all_ = 0;
  size_t weights_ = 0;
  std::set<std::string> matched_;
  std::vector<WeightRecord> records_;
};

}  // namespace

void apply_policy(PassContext& ctx, const Policy& policy, const PolicyOptions& options) {
  Application(ctx, policy, options).run();
}

PassDef policy() {
  PassDef p;
  p.name = "policy";
  p.group = "quantization";
  p.summary = "Weights in the schemes of an XML policy: the first rule that matches decides (--policy=FILE)";
  p.options = {
      {"file", "the policy (docs/policy.xsd)", ""},
      {"data", "calibration: a .npz file, a folder of them, or seeded; empty: seeded where needed", ""},
      {"damping", "of GPTQ: fraction of the mean second moment; 0: 0.03, on seeded data 0.1", "0"},
      {"min-elements", "leave smaller weights alone", "4096"}};
  p.run = run;
  return p;
}

}  // namespace lathe
