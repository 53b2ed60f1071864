#include "passes/quant/weight_only.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "ir/base/mapped_file.h"
#include "ir/core/spill.h"
#include "ir/ops/convert.h"
#include "passes/core/addition.h"
#include "passes/core/erase_unused.h"
#include "passes/core/patch_test.h"
#include "passes/core/take.h"
#include "passes/quant/calibrate.h"
#include "passes/quant/layout.h"
#include "passes/quant/nbits.h"
#include "passes/quant/policy.h"
#include "passes/quant/rounding/awq.h"
#include "passes/quant/sample.h"
#include "passes/quant/weight_records.h"

namespace lathe {
namespace {

constexpr const char* kContrib = "com.microsoft";

// The run of both sides differs by the quantization itself: at most half a step (a whole one at the clamped
// end) of each weight, far below the largest output. A wrong layout gives an unrelated matrix.
double patch_tolerance(const Scheme& s) { return s.bits == 2 ? 0.9 : 0.5; }

struct Stored {
  ValueId codes, scales, zero_points;
  double rms = 0;
  int64_t bytes = 0;
};

// Sites that read one tensor.
struct Group {
  std::vector<size_t> sites;
  bool table = false, product = false;
};

class WeightOnly {
 public:
  WeightOnly(PassContext& ctx, const WeightOnlyOptions& options) : ctx_(ctx), m_(ctx.model), o_(options) {}

  void run() {
    sites_ = find_weight_sites(m_);
    schemes_.resize(sites_.size());
    const Roles roles = analyze_roles(m_);
    const std::vector<WeightRecord> rest = records_of_rest(m_, roles, sites_);
    std::set<ValueId> counted;  // a weight that several sites read is stored once
    for (const WeightSite& s : sites_) {
      records_.push_back(record_of(m_, roles, s));
      if (!counted.insert(m_.constant(constant_of(s)) != nullptr ? constant_of(s) : s.stored).second)
        records_.back().before = records_.back().after = 0;
    }
    for (size_t i = 0; i < sites_.size(); ++i) schemes_[i] = choose(sites_[i], records_[i].why);
    keep_shared_with_float();
    for (size_t i = 0; i < sites_.size(); ++i)
      if (schemes_[i]) {
        Group& g = groups_[bytes_of(i)];
        g.sites.push_back(i);
        (sites_[i].kind == WeightSite::Kind::table ? g.table : g.product) = true;
      }
    for (auto& [bytes, g] : groups_) tie(g);
    for (size_t i = 0; i < sites_.size() && !original_; ++i)
      if (wants_inputs(i)) original_ = m_;
    for (size_t i = 0; i < sites_.size(); ++i) {
      if (!schemes_[i] || ctx_.out_of_fuel()) continue;
      capture(i);
      replace(i);
    }
    erase_unused(m_, originals_);
    ctx_.findings.weights = std::move(records_);
    ctx_.findings.weights.insert(ctx_.findings.weights.end(), rest.begin(), rest.end());
  }

 private:
  const void* bytes_of(size_t i) const { return sites_[i].weight->bytes().data(); }

  static const char* what(const WeightSite& s) {
    return s.kind == WeightSite::Kind::table  ? "gather"
           : s.kind == WeightSite::Kind::conv ? "conv"
                                              : "matmul";
  }
  static std::string rule(const WeightSite& s, const Scheme& scheme) {
    return fmt::format("quant{}-{}", scheme.bits, what(s));
  }

  // The scheme that the site can take, or none and a remark.
  std::optional<Scheme> choose(const WeightSite& s, std::string& told) {
    const SiteChoice c = o_.choose(s);
    told = c.why;
    const std::string name = fmt::format("quant-{}", what(s));
    const auto stay = [&](std::string why) {
      told = why;
      ctx_.missed(name, s.node, std::move(why));
      return std::nullopt;
    };
    if (!c.scheme) {
      if (!c.why.empty()) ctx_.missed(name, s.node, c.why);
      return std::nullopt;
    }
    Scheme scheme = *c.scheme;
    const DType t = s.weight->dtype;
    if (t != DType::F32 && t != DType::F16 && t != DType::BF16)
      return stay(fmt::format("the weight is of type {}", onnx_name(t)));
    if (!s.refusal.empty()) return stay(s.refusal);
    if (s.weight->count() == 0) return stay("the weight is empty");
    if (t != DType::F32) scheme.scales = t;  // they are of the type of the activations
    const bool table = s.kind == WeightSite::Kind::table;
    if (scheme.form == Form::standard) {
      if (scheme.bits == 2) return stay("2-bit integers need opset 25, which runtimes do not read yet");
      if (table && scheme.bits != 8) return stay("Gather has no 4-bit type in standard ONNX; use 8 bits");
      scheme.float_zero = false;
      while (scheme.block > 16 && scheme.block / 2 >= s.k()) scheme.block /= 2;
      return scheme;
    }
    const char* op = table ? "GatherBlockQuantized" : "MatMulNBits";
    if (!ctx_.settings.target.has(kContrib, op, t))
      return stay(fmt::format("target {} has no {}; use form=standard", ctx_.settings.target.name(), op));
    if (table) {
      scheme.float_zero = false;
      if (s.k() * scheme.bits % 8 != 0)
        return stay(fmt::format("rows of {} values of {} bits are not whole bytes", s.k(), scheme.bits));
    }
    return scheme;
  }

  ValueId constant_of(const WeightSite& s) const {  // what the node itself reads
    return s.kind == WeightSite::Kind::table ? m_[s.node].in[0] : m_[s.node].in[1];
  }

  // A weight stays if anything else that reads it stays in float.
  void keep_shared_with_float() {
    std::map<ValueId, std::vector<size_t>> readers;  // constant -> sites
    const auto source = [&](ValueId v) {
      const NodeId t = m_.constant(v) == nullptr ? m_[v].def : NodeId{};
      return t ? m_[t].in[0] : v;
    };
    for (size_t i = 0; i < sites_.size(); ++i) readers[source(constant_of(sites_[i]))].push_back(i);
    for (const auto& [v, at] : readers) {
      std::optional<std::string> other;
      const auto quantized = [&](NodeId n) {
        return std::any_of(at.begin(), at.end(),
                           [&](size_t i) { return schemes_[i] && sites_[i].node == n; });
      };
      const auto look = [&](const Use& u) {
        if (!other && !quantized(u.node))
          other = m_.is_hidden(u.node) ? "the graph's outputs" : m_[u.node].name;
      };
      for (const Use& u : m_[v].uses) {
        const bool turned = m_[u.node].is("Transpose") && m_[u.node].output(0);
        if (!turned) {
          look(u);
          continue;
        }
        for (const Use& w : m_[m_[u.node].out[0]].uses) look(w);
      }
      if (!other) continue;
      for (const size_t i : at)
        if (schemes_[i]) {
          records_[i].why = fmt::format("'{}' also reads the weight and stays", *other);
          ctx_.missed(fmt::format("quant-{}", what(sites_[i])), sites_[i].node, records_[i].why);
          schemes_[i].reset();
        }
    }
  }

  // One tensor, one blob: a tied table and head take the scheme of the head where rows are whole blocks.
  void tie(Group& g) {
    if (!g.table || !g.product) return;
    const Scheme* head = nullptr;
    for (const size_t i : g.sites)
      if (sites_[i].kind == WeightSite::Kind::product && head == nullptr) head = &*schemes_[i];
    Scheme s = *head;
    if (s.form == Form::standard) return;
    while (s.block > 16 && sites_[g.sites[0]].k() % s.block != 0) s.block /= 2;
    if (sites_[g.sites[0]].k() % s.block != 0) return;
    s.float_zero = false;
    if (s.rounding == Rounding::gptq || s.rounding == Rounding::awq) s.rounding = Rounding::mse;
    for (const size_t i : g.sites) schemes_[i] = s;
  }

  // Does rounding this weight ask for its inputs, and for all of their second moments?
  bool wants_inputs(size_t i) const {
    if (!schemes_[i] || sites_[i].kind == WeightSite::Kind::table) return false;
    return wants_moments(i) || (schemes_[i]->rounding == Rounding::mse && !o_.data.empty());
  }
  bool wants_moments(size_t i) const {
    return schemes_[i]->rounding == Rounding::gptq || schemes_[i]->rounding == Rounding::awq;
  }

  // Runs the model as it was for the inputs of site i, and of as many after it as the budget holds second
  // moments of: layer by layer where all of them would be too much.
  void capture(size_t i) {
    if (!wants_inputs(i) || captured_.contains(sites_[i].input)) return;
    captured_.clear();
    constexpr int64_t kBudget = int64_t{256} << 20;
    int64_t bytes = 0;
    CalibrationOptions c;
    if (!o_.data.empty()) c.data = o_.data;
    c.shorts = true;
    c.seed = ctx_.settings.seed;
    std::map<ValueId, int64_t> wanted;
    const auto want = [&](size_t j) {
      if (!wants_inputs(j) || !captured_.insert(sites_[j].input).second) return;
      wanted.emplace(sites_[j].input, sites_[j].channel_axis());
      if (wants_moments(j)) {
        c.gram = true;
        bytes += sites_[j].k() * sites_[j].k() * int64_t{sizeof(float)};
      }
    };
    for (size_t j = i; j < sites_.size() && (wanted.empty() || bytes < kBudget); ++j)
      if (wants_inputs(j))
        for (const size_t together : groups_.at(bytes_of(j)).sites) want(together);
    stats_ = calibrate(*original_, ctx_.values, wanted, c);
  }

  // Statistics of everything that a tensor is multiplied with.
  InputStats inputs_of(size_t site, std::vector<ValueId>& seen) const {
    InputStats sum;
    const Group& g = groups_.at(bytes_of(site));
    if (g.table || sites_[site].kind == WeightSite::Kind::table) return sum;
    for (const size_t i : g.sites) {
      const ValueId v = sites_[i].input;
      const auto it = stats_.find(v);
      if (it == stats_.end() || std::find(seen.begin(), seen.end(), v) != seen.end()) continue;
      seen.push_back(v);
      if (sum.k == 0) {
        sum = it->second;
        continue;
      }
      if (sum.k != it->second.k) continue;
      const auto add = [](std::vector<float>& to, const std::vector<float>& from) {
        for (size_t j = 0; j < std::min(to.size(), from.size()); ++j) to[j] += from[j];
      };
      add(sum.square, it->second.square);
      add(sum.gram, it->second.gram);
    }
    return sum;
  }

  // What AWQ does to an input: the factors of its channels, and the value that is divided by them.
  struct Scaled {
    std::vector<float> factors;
    ValueId value;
  };

  // Of the site's input, or null where there is nothing to scale.
  Scaled* awq_of(size_t site) {
    const WeightSite& s = sites_[site];
    if (schemes_[site]->rounding != Rounding::awq || s.kind != WeightSite::Kind::product) return nullptr;
    const auto it = stats_.find(s.input);
    if (it == stats_.end() || it->second.k != s.k() || it->second.gram.empty()) return nullptr;
    const auto known = awq_.find(s.input);
    if (known != awq_.end()) return known->second.factors.empty() ? nullptr : &known->second;
    std::vector<AwqWeight> weights;
    bool alone = true;  // a weight that is also multiplied with another input cannot follow this one
    for (size_t i = 0; i < sites_.size(); ++i) {
      if (!schemes_[i] || sites_[i].input != s.input || sites_[i].kind != WeightSite::Kind::product) continue;
      for (const size_t j : groups_.at(bytes_of(i)).sites) alone = alone && sites_[j].input == s.input;
      weights.push_back({sites_[i].weight.get(), sites_[i].transposed});
    }
    Scaled& made = awq_[s.input];
    if (alone) made.factors = awq_factors(weights, it->second, *schemes_[site]);
    return made.factors.empty() ? nullptr : &made;
  }

  ValueId divided(Builder& b, const WeightSite& s, ValueId x, Scaled& scaled) {
    if (scaled.value) return scaled.value;
    Tensor t = Tensor::uninitialized(DType::F32, {s.k()});
    for (size_t i = 0; i < scaled.factors.size(); ++i) t.mutable_data<float>()[i] = 1 / scaled.factors[i];
    const ValueId by = b.constant(convert(t, s.weight->dtype), m_[s.stored].name + "_awq");
    return scaled.value = b.op("Mul", {x, by});
  }

  using Key = std::tuple<const void*, bool, WeightSite::Kind, int, int64_t, Form, GraphId>;

  // Quantizes once per tensor, layout and graph: weights that are shared stay shared.
  const Stored* quantize(Builder& b, size_t i, Key& key) {
    const WeightSite& s = sites_[i];
    const Scheme& scheme = *schemes_[i];
    const Group& g = groups_.at(bytes_of(i));
    const bool shared = g.table && g.product && scheme.form == Form::contrib && s.k() % scheme.block == 0;
    const auto kind = shared || s.kind == WeightSite::Kind::conv ? WeightSite::Kind::product : s.kind;
    key = Key(bytes_of(i), s.transposed, kind, scheme.bits, scheme.block, scheme.form, m_[s.node].parent);
    if (const auto it = stored_.find(key); it != stored_.end()) return &it->second;
    const std::string name = m_[s.stored].name;
    NBitsWeight q;
    try {
      WeightInput input;
      std::vector<ValueId> from;
      const InputStats stats = inputs_of(i, from);
      const GptqFactor* factor = nullptr;
      if (scheme.rounding == Rounding::gptq && !stats.gram.empty()) {
        if (from != factor_of_) {  // queries, keys and values share their input
          factor_ = gptq_factor(stats.gram, stats.k, o_.damping);
          factor_of_ = from;
        }
        factor = &factor_;
      }
      if (stats.k == s.k()) input = {stats.square, factor};
      std::vector<float> square = stats.square;
      if (const Scaled* scaled = awq_of(i)) {
        for (size_t c = 0; c < square.size(); ++c) square[c] /= scaled->factors[c] * scaled->factors[c];
        input.importance = square;
        q = quantize_nbits(scaled_channels({s.weight.get(), s.transposed}, scaled->factors), s.transposed,
                           scheme, input);
      } else {
        if (const std::vector<int64_t> at = sample_columns(s.n()); checks_sample(s) && !at.empty()) {
          sample_.emplace(s.weight, s.transposed ? 0 : 1, at);
          input.have_read = [&](int64_t first, int64_t last) { sample_->read(first, last); };
        }
        q = quantize_nbits(*s.weight, s.transposed, scheme, input);
      }
    } catch (const Error& e) {
      records_[i].why = e.what();
      ctx_.missed(rule(s, scheme), s.node, fmt::format("'{}': {}", name, e.what()));
      return nullptr;
    }
    if (scheme.rounding == Rounding::rtn && q.max_error > 1.01)
      throw std::logic_error("quantized '" + name + "' is further than its step from the weight");
    Stored out;
    out.rms = q.rms_error;
    const auto keep = [&](Tensor t, const char* part) {
      return t.defined() ? b.constant(std::move(t), fmt::format("{}_q{}_{}", name, scheme.bits, part))
                         : ValueId{};
    };
    if (scheme.form == Form::standard) {
      StandardWeight w = standard_weight(q, s.k(), s.n(), s.kind != WeightSite::Kind::product, scheme);
      if (s.kind == WeightSite::Kind::conv) {
        for (Tensor* t : {&w.codes, &w.scales, &w.zero_points})
          if (t->defined()) *t = t->reshaped({t->dims[0], t->dims[1], 1, 1});
      }
      out.codes = keep(spilled(w.codes), "codes");
      out.scales = keep(spilled(w.scales), "scales");
      out.zero_points = keep(spilled(w.zero_points), "zero_points");
    } else {
      const bool rows = shared || s.kind == WeightSite::Kind::table;
      Tensor codes = rows ? table_codes(q, s.k(), scheme) : std::move(q.codes);
      if (rows && q.zero_points.defined())
        q.zero_points = q.zero_points.reshaped({s.n(), q.zero_points.count() / s.n()});
      out.codes = keep(std::move(codes), "codes");
      out.scales = keep(std::move(q.scales), "scales");
      out.zero_points = keep(std::move(q.zero_points), "zero_points");
    }
    for (const ValueId v : {out.codes, out.scales, out.zero_points})
      if (v) out.bytes += static_cast<int64_t>(m_.constant(v)->byte_size());
    return &(stored_[key] = out);
  }

  // In the element type of the activations: float16 scales of a float32 product are widened by a Cast that
  // runtimes fold when they load the model, so the file stays small.
  ValueId widened(Builder& b, ValueId v, DType want) const {
    if (!v || m_[v].type.dtype == want || m_[v].type.dtype == DType::U8) return v;
    return b.op("Cast", {v}, attrs({{"to", static_cast<int64_t>(want)}}));
  }

  std::string became(const WeightSite& site, const Scheme& s, const Stored& q) const {
    return fmt::format("{} bits, block {}: {} -> {} bytes, relative error {:.4f}", s.bits, s.block,
                       site.weight->byte_size(), q.bytes, q.rms);
  }

  // What the node reads now: an earlier rewrite may have replaced it.
  ValueId activations(const WeightSite& s) const {
    return m_[s.node].in[s.kind == WeightSite::Kind::table ? 1 : 0];
  }

  ValueId rewritten(Builder& b, const WeightSite& s, ValueId x, const Scheme& scheme, const Stored& q) {
    if (s.kind == WeightSite::Kind::table)
      return scheme.form == Form::standard ? standard_table(b, s, scheme, q) : table(b, s, scheme, q);
    return scheme.form == Form::standard ? standard_product(b, s, x, scheme, q) : product(b, s, x, scheme, q);
  }

  // The constant that the node reads, perhaps through a Transpose.
  ValueId source_of(const WeightSite& s) const {
    const ValueId own = constant_of(s);
    return m_.constant(own) != nullptr ? own : m_[m_[own].def].in[0];
  }

  // Is the site checked on a sample that quantizing its weight can take along?
  bool checks_sample(const WeightSite& s) const {
    return ctx_.settings.verify != Verify::off && s.kind != WeightSite::Kind::table &&
           m_.constant(source_of(s))->bytes().data() == s.weight->bytes().data();
  }

  // Runs both sides of a wide product on a sample of its columns. False: that says nothing.
  bool agrees_on_sample(const WeightSite& s, const Scheme& scheme, const Stored& q) {
    const std::vector<int64_t> at = sample_columns(s.n());
    if (s.kind == WeightSite::Kind::table || at.empty()) return false;
    Builder b(m_, ctx_.values, s.node);
    const bool conv = s.kind == WeightSite::Kind::conv, standard = scheme.form == Form::standard;
    // Where N is an axis of what the node reads; behind a Transpose it is the other one.
    const ValueId own = constant_of(s), source = source_of(s);
    const Tensor& weight = *m_.constant(source);
    const int64_t last = weight.rank() - 1;
    const bool turned = m_[s.node].attrs.i("transB", 0) != 0;
    const int64_t axis = conv ? 0 : (turned != (source != own)) ? last - 1 : last;
    PatchTestOptions options{.seed = ctx_.settings.seed};
    const auto n = static_cast<int64_t>(at.size());
    if (sample_ && sample_->complete() && checks_sample(s)) {
      std::vector<int64_t> dims = weight.dims;
      dims[static_cast<size_t>(axis)] = n;
      options.given.emplace(source, sample_->tensor().reshaped(dims));
    } else {
      options.given.emplace(source, take_along(weight, axis, at));
    }
    WeightSite part = s;
    part.weight = std::make_shared<const Tensor>(
        Tensor::uninitialized(s.weight->dtype, s.transposed ? std::vector{n, s.k()} : std::vector{s.k(), n}));
    if (s.bias) {
      const Tensor bias = take_along(*m_.constant(s.bias), 0, at);
      part.bias = b.constant(bias, "sample");
      options.given.emplace(s.bias, bias);
    }
    Stored some;
    const auto take = [&](ValueId v) {
      return v ? b.constant(take_along(*m_.constant(v), standard && !conv ? 1 : 0, at), "sample") : v;
    };
    some.codes = take(q.codes);
    some.scales = take(q.scales);
    some.zero_points = take(q.zero_points);
    const ValueId y = rewritten(b, part, activations(s), scheme, some);
    const PatchTestResult test = test_patch(m_, ctx_.values,
                                            {.rule = rule(s, scheme),
                                             .root = m_[s.result].def,
                                             .taken = s.taken,
                                             .made = b.made(),
                                             .replace = {{s.result, y}},
                                             .tolerance = patch_tolerance(scheme)},
                                            options);
    b.discard();
    return test.outcome == PatchTestResult::Outcome::equal;
  }

  bool commit(Builder& b, Patch patch, bool checked) {
    const Verify asked = ctx_.settings.verify;
    if (checked) ctx_.settings.verify = Verify::off;
    const bool done = ctx_.commit(b, std::move(patch));
    ctx_.settings.verify = asked;
    return done;
  }

  void replace(size_t i) {
    const WeightSite& s = sites_[i];
    const Scheme& scheme = *schemes_[i];
    Builder b(m_, ctx_.values, s.node);
    Key key;
    const size_t known = stored_.size();
    sample_.reset();
    const Stored* q = quantize(b, i, key);
    if (q == nullptr) return b.discard();
    ValueId x = activations(s);
    Scaled* scaled = awq_of(i);
    const ValueId divided_before = scaled != nullptr ? scaled->value : ValueId{};
    if (scaled != nullptr) x = divided(b, s, x, *scaled);
    std::vector<NodeId> context;  // the division that an earlier site of the same input has placed
    if (divided_before) context.push_back(m_[divided_before].def);
    const bool checked =
        ctx_.settings.verify != Verify::off && scaled == nullptr && agrees_on_sample(s, scheme, *q);
    const ValueId y = rewritten(b, s, x, scheme, *q);
    const ValueId original = s.stored, own = constant_of(s);
    const bool done = commit(b,
                             {.rule = rule(s, scheme),
                              .root = m_[s.result].def,
                              .taken = s.taken,
                              .context = context,
                              .replace = {{s.result, y}},
                              .tolerance = patch_tolerance(scheme),
                              .what = became(s, scheme, *q)},
                             checked);
    if (done) {
      originals_.push_back(original);
      originals_.push_back(own);
      records_[i].scheme = scheme_text(scheme);
      records_[i].error = q->rms;
      records_[i].after = stored_.size() > known ? q->bytes : 0;
    } else {
      records_[i].why = "its rewrite failed the check";
      if (stored_.size() > known) stored_.erase(key);  // the builder erased what this rewrite had stored
    }
    if (!done && scaled != nullptr) scaled->value = divided_before;
  }

  ValueId product(Builder& b, const WeightSite& s, ValueId x, const Scheme& scheme, const Stored& q) {
    const DType t = s.weight->dtype;
    ValueId codes = q.codes;
    if (m_[codes].type.rank() == 2)  // shared with a table
      codes = b.op("Reshape",
                   {codes, b.ints({s.n(), s.k() / scheme.block, scheme.block * scheme.bits / 8}, "blocks")});
    Attrs a =
        attrs({{"K", s.k()}, {"N", s.n()}, {"bits", int64_t{scheme.bits}}, {"block_size", scheme.block}});
    if (scheme.accuracy_level > 0) a.set("accuracy_level", scheme.accuracy_level);
    if (s.kind == WeightSite::Kind::conv)
      x = b.op("Transpose", {x}, attrs({{"perm", std::vector<int64_t>{0, 2, 3, 1}}}));
    std::vector<ValueId> in = {x, codes, widened(b, q.scales, t), widened(b, q.zero_points, t), {}, s.bias};
    while (!in.back()) in.pop_back();
    ValueId y = b.op("MatMulNBits", std::move(in), std::move(a), kContrib);
    if (s.kind == WeightSite::Kind::conv)
      y = b.op("Transpose", {y}, attrs({{"perm", std::vector<int64_t>{0, 3, 1, 2}}}));
    return y;
  }

  ValueId table(Builder& b, const WeightSite& s, const Scheme& scheme, const Stored& q) {
    std::vector<ValueId> in = {q.codes, activations(s), widened(b, q.scales, s.weight->dtype)};
    if (q.zero_points) in.push_back(q.zero_points);
    return b.op("GatherBlockQuantized", std::move(in),
                attrs({{"bits", int64_t{scheme.bits}},
                       {"block_size", scheme.block},
                       {"gather_axis", int64_t{0}},
                       {"quantize_axis", int64_t{1}}}),
                kContrib);
  }

  ValueId dequantized(Builder& b, const WeightSite& s, const Scheme& scheme, ValueId codes, ValueId scales,
                      ValueId zero_points, int64_t axis) {
    std::vector<ValueId> in = {codes, widened(b, scales, s.weight->dtype)};
    if (zero_points) in.push_back(zero_points);
    b.require_opset("", 21);
    return b.op("DequantizeLinear", std::move(in),
                attrs({{"axis", axis}, {"block_size", std::min(scheme.block, s.k())}}));
  }

  ValueId standard_product(Builder& b, const WeightSite& s, ValueId x, const Scheme& scheme,
                           const Stored& q) {
    const bool is_conv = s.kind == WeightSite::Kind::conv;
    const ValueId w = dequantized(b, s, scheme, q.codes, q.scales, q.zero_points, is_conv ? 1 : 0);
    if (is_conv) {
      std::vector<ValueId> in = {x, w};
      if (s.bias) in.push_back(s.bias);
      return b.op("Conv", std::move(in), m_[s.node].attrs);
    }
    const ValueId y = b.op("MatMul", {x, w});
    if (!s.bias) return y;
    const Node& last = m_[m_[s.result].def];  // a Sum where the runtime would fuse Add with what follows
    return b.op(is_addition(last) ? last.type : "Add", {y, s.bias});
  }

  // Rows are picked first, so that only they are dequantized.
  ValueId standard_table(Builder& b, const WeightSite& s, const Scheme& scheme, const Stored& q) {
    const auto pick = [&](ValueId v) { return v ? b.op("Gather", {v, activations(s)}) : v; };
    const ValueId codes = pick(q.codes), scales = pick(q.scales), zeros = pick(q.zero_points);
    return dequantized(b, s, scheme, codes, scales, zeros, -1);
  }

  PassContext& ctx_;
  Model& m_;
  const WeightOnlyOptions& o_;
  std::vector<WeightSite> sites_;
  std::vector<std::optional<Scheme>> schemes_;
  std::vector<WeightRecord> records_;
  std::map<const void*, Group> groups_;  // by the bytes: tensors are immutable, originals stay alive
  std::optional<Model> original_;        // a snapshot: ids and float weights as they were
  std::set<ValueId> captured_;           // last
  std::map<ValueId, InputStats> stats_;
  GptqFactor factor_;
  std::vector<ValueId> factor_of_;
  std::map<Key, Stored> stored_;
  std::map<ValueId, Scaled> awq_;
  std::optional<MatrixSample> sample_;  // of the weight that was quantized last
  std::vector<ValueId> originals_;
};

}  // namespace

void quantize_weights(PassContext& ctx, const WeightOnlyOptions& options) { WeightOnly(ctx, options).run(); }

double damping_option(const PassContext& ctx, const PassOptions& o) {
  const double damping = o.number("damping");
  if (damping < 0 || !std::isfinite(damping))
    fail_usage("pass '{}': damping={} is negative", ctx.pass, damping);
  return damping;
}

}  // namespace lathe
