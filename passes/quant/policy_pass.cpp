// policy{file=...}: every weight gets the scheme of the first rule that matches it.
#include "passes/quant/policy_pass.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "ir/core/walk.h"
#include "passes/all_passes.h"
#include "passes/fusion/split_slow.h"
#include "passes/quant/int8/dynamic.h"
#include "passes/quant/int8/sites.h"
#include "passes/quant/int8/smooth.h"
#include "passes/quant/policy_half.h"
#include "passes/quant/rounding/gptq.h"
#include "passes/quant/static/static.h"
#include "passes/quant/weight_only.h"
#include "passes/quant/weight_records.h"

namespace lathe {
namespace {

constexpr const char *kDynamic = "quant-dynamic", *kStatic = "quant-static";

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
      : ctx_(ctx), m_(ctx.model), policy_(policy), o_(o), halves_(policy, o.min_elements, o.data) {}

  void run() {
    weigh();
    if (gives(kDynamic) || gives(kStatic)) learn_roles();
    if (gives(kDynamic)) dynamic();
    read_halves();
    if (gives(kStatic)) {
      fixed();
      read_halves();
    }
    split_fused_weights(ctx_, {.min_elements = o_.min_elements, .embeddings = true, .which = [&](NodeId n) {
                                 return !halves_.wants(n);
                               }});
    analyze();
    read_halves();
    WeightOnlyOptions w;
    w.data = o_.data;
    w.damping = gptq_damping(o_.damping, o_.data);
    w.choose = [&](const WeightSite& s) {
      SiteChoice c = choice(s);
      return halves_.takes(m_, s, find_rule(policy_, m_, roles_, subject(s))) ? SiteChoice{} : c;
    };
    quantize_weights(ctx_, w);
    split_packed_products(ctx_);
    halves_.apply(ctx_);
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
  bool gives(std::string_view scheme) const {
    return std::any_of(policy_.rules.begin(), policy_.rules.end(),
                       [&](const PolicyRule& r) { return r.scheme == scheme; });
  }

  // Layers that hold products on bytes beside others no longer look alike, so what the model as it came says
  // of a weight counts.
  void learn_roles() {
    const Roles roles = analyze_roles(m_);
    std::set<ValueId> shared;
    for (const WeightSite& s : find_byte_sites(m_))
      if (!known_.emplace(s.stored, roles[s.node]).second) shared.insert(s.stored);
    for (const ValueId v : shared) known_.erase(v);
  }

  void analyze() {
    roles_ = analyze_roles(m_);
    for (const WeightSite& s : find_byte_sites(m_)) {
      const auto it = known_.find(s.stored);
      if (it != known_.end() && s.node.v < roles_.nodes.size()) roles_.nodes[s.node.v] = it->second;
    }
  }

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

  // The model as it stands; roles as analyze() found them.
  void read_halves() {
    if (!halves_.any()) return;
    if (roles_.nodes.empty()) analyze();
    matched_.merge(halves_.read(m_, roles_, all_));
  }

  PolicySubject subject(const WeightSite& s) const {
    return {.site = &s, .bytes = static_cast<int64_t>(s.weight->byte_size()), .all = all_};
  }

  const PolicyRule* rule_of(const WeightSite& s) {
    const PolicyRule* r = find_rule(policy_, m_, roles_, subject(s));
    if (r != nullptr) matched_.insert(r->place);
    return r;
  }

  SiteChoice choice(const WeightSite& s) {
    if (std::string why = too_small(s.weight->count(), o_.min_elements); !why.empty())
      return {{}, std::move(why)};
    const PolicyRule* r = rule_of(s);
    if (r == nullptr) return {{}, "no rule of the policy matches"};
    const std::string rule = "rule " + r->place;
    if (r->scheme == kDynamic || r->scheme == kStatic)
      return {{}, fmt::format("{} gives {}, which cannot be here", rule, r->scheme)};
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
    const std::vector<Bytes> chosen = on_bytes(kDynamic, find_byte_sites);
    d.keep = [&](const WeightSite& s) {
      return is_among(chosen, s.node) ? std::string() : std::string("the policy gives it another scheme");
    };
    quantize_dynamic(ctx_, d);
    for (const Bytes& b : chosen)
      if (m_[b.node].erased) records_.push_back(b.record);
  }

  // The same with ranges that calibration fixes.
  void fixed() {
    StaticOptions s;
    s.data = o_.data.empty() ? "seeded" : o_.data;
    s.operators = ctx_.settings.target.has_contrib();
    if (s.operators) split_biases(ctx_);
    split_fused_weights(ctx_, {.min_elements = o_.min_elements, .embeddings = false, .which = [&](NodeId n) {
                                 return !quantizes_attention(ctx_, s, n) && !halves_.wants(n);
                               }});
    const std::vector<Bytes> chosen = on_bytes(kStatic, sites_with_convolutions);
    s.keep = [&](NodeId n) {
      const bool weighted = m_[n].in.size() > 1 && m_[n].in[1] && m_.constant(m_[n].in[1]) != nullptr &&
                            (m_[n].is("MatMul") || m_[n].is("Gemm") || m_[n].is("Conv") ||
                             m_[n].is("Attention", "com.microsoft"));
      return !weighted || is_among(chosen, n) ? std::string()
                                              : std::string("the policy gives it another scheme");
    };
    quantize_static(ctx_, s);
    for (const Bytes& b : chosen)
      if (m_[b.node].erased || m_.constant(m_[b.node].in[1]) == nullptr) records_.push_back(b.record);
  }

  static std::vector<WeightSite> sites_with_convolutions(const Model& m) {
    std::vector<WeightSite> sites = find_byte_sites(m);
    for (WeightSite& s : find_weight_sites(m))
      if (s.kind == WeightSite::Kind::conv) sites.push_back(std::move(s));
    std::set<NodeId> known;
    for (const WeightSite& s : sites) known.insert(s.node);
    for (const NodeId n : m.nodes(m.main())) {
      if (!m[n].is("Conv") || known.contains(n) || !m[n].input(1) || m.constant(m[n].in[1]) == nullptr)
        continue;
      WeightSite s;
      s.kind = WeightSite::Kind::conv;
      s.node = n;
      s.input = m[n].in[0];
      s.stored = m[n].in[1];
      s.weight = m.constant_ptr(s.stored);
      s.refusal = "its window has more than one element";
      sites.push_back(std::move(s));
    }
    return sites;
  }

  struct Bytes {
    NodeId node;
    WeightRecord record;  // as it will be
  };

  static bool is_among(const std::vector<Bytes>& chosen, NodeId n) {
    return std::any_of(chosen.begin(), chosen.end(), [&](const Bytes& b) { return b.node == n; });
  }

  // The products that the policy gives this scheme, their channels evened. That gives weights new names and
  // nodes, in the same order, so all is decided before.
  std::vector<Bytes> on_bytes(std::string_view scheme,
                              const std::function<std::vector<WeightSite>(const Model&)>& find) {
    analyze();
    const std::vector<WeightSite> before = find(m_);
    std::vector<std::optional<Bytes>> wanted(before.size());
    std::set<NodeId> chosen;
    for (size_t i = 0; i < before.size(); ++i) {
      const WeightSite& s = before[i];
      if (s.kind == WeightSite::Kind::table || !too_small(s.weight->count(), o_.min_elements).empty())
        continue;
      const PolicyRule* r = rule_of(s);
      if (r == nullptr || r->scheme != scheme) continue;
      chosen.insert(s.node);
      Bytes b{s.node, record_of(m_, roles_, s)};
      b.record.scheme = scheme;
      b.record.why = "rule " + r->place;
      const DType t = s.weight->dtype;
      if (s.weight->rank() == 2 && (t == DType::F32 || t == DType::F16 || t == DType::BF16))
        b.record.error = quantize_bytes(*s.weight, s.transposed, {}).rms_error;
      b.record.after = s.weight->count();
      wanted[i] = std::move(b);
    }
    smooth_inputs(ctx_, {.data = o_.data, .padded = scheme == kDynamic, .choose = [&](const WeightSite& s) {
                           return chosen.contains(s.node) &&
                                  (scheme == kDynamic || m_[s.node].is("MatMul") || is_attention(m_, s));
                         }});
    const std::vector<WeightSite> after = find(m_);
    std::vector<Bytes> out;
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (after.size() == before.size() && after[i].stored != before[i].stored)
        known_.emplace(after[i].stored, roles_[before[i].node]);
      if (!wanted[i]) continue;
      if (after.size() == before.size()) wanted[i]->node = after[i].node;
      out.push_back(std::move(*wanted[i]));
    }
    return out;
  }

  PassContext& ctx_;
  Model& m_;
  const Policy& policy_;
  const PolicyOptions& o_;
  PolicyHalves halves_;
  Roles roles_;
  int64_t all_ = 0;
  size_t weights_ = 0;
  std::set<std::string> matched_;
  std::vector<WeightRecord> records_;
  std::map<ValueId, NodeRole> known_;  // by weight, of the model as it came
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
      {"file", "the policy (docs/policy.xsd); its schemes are passes: quant4, fp16, quant-dynamic, ...", ""},
      {"data", "calibration: a .npz file, a folder of them, or seeded; empty: seeded where needed", ""},
      {"damping", "of GPTQ: fraction of the mean second moment; 0: 0.03, on seeded data 0.1", "0"},
      {"min-elements", "leave smaller weights alone", "4096"}};
  p.run = run;
  return p;
}

}  // namespace lathe
