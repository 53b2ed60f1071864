// auto{min-cosine=0.99}: the smallest choice of schemes that keeps a promise, found by measuring what each
// weight's rounding does to the outputs.
#include "passes/quant/search/auto.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <tuple>

#include "ir/onnx/save.h"
#include "passes/quant/int8/dynamic.h"
#include "passes/quant/int8/smooth.h"
#include "passes/quant/padded.h"
#include "passes/quant/policy_pass.h"
#include "passes/quant/rounding/gptq.h"
#include "passes/quant/search/gates.h"
#include "passes/quant/search/knapsack.h"
#include "passes/quant/search/latency.h"
#include "passes/quant/search/layers.h"
#include "passes/quant/search/written_policy.h"
#include "passes/quant/weight_only.h"

namespace lathe {
namespace {

struct Budget {
  double min_cosine = 0;  // 0: not asked for
  double max_kl = 0;
  int64_t max_bytes = 0;
  double max_latency = 0;  // as a part of the float model's
  bool fast = false;       // INT8 activations are a choice

  bool promises() const { return min_cosine > 0 || max_kl > 0; }
};

// Samples [begin, end).
Tensor rows(const Tensor& t, int64_t begin, int64_t end) {
  std::vector<int64_t> dims = t.dims;
  const auto bytes = t.bytes().size() / static_cast<size_t>(t.dims[0]);
  dims[0] = end - begin;
  Tensor out = Tensor::uninitialized(t.dtype, dims);
  std::memcpy(out.mutable_bytes().data(), t.bytes().data() + static_cast<size_t>(begin) * bytes,
              static_cast<size_t>(end - begin) * bytes);
  return out;
}

using Runs = std::vector<std::vector<Datum>>;

// Half of the samples of each run, and the other half. Runs of one sample go to one side and the other by
// turns; a single run of one sample to both.
std::pair<Runs, Runs> halves(Runs runs) {
  std::pair<Runs, Runs> out;
  bool turn = false;
  for (auto& run : runs) {
    int64_t samples = -1;
    for (const Datum& d : run) {
      const Tensor* t = d.tensor();
      if (d.empty()) continue;
      const int64_t n = t != nullptr && t->rank() > 0 ? t->dims[0] : 1;
      samples = samples < 0 || samples == n ? n : 1;
      if (samples == 1) break;
    }
    if (samples < 2) {
      (turn ? out.second : out.first).push_back(std::move(run));
      turn = !turn;
      continue;
    }
    for (const bool second : {false, true}) {
      std::vector<Datum> part;
      for (const Datum& d : run)
        part.push_back(
            d.empty() ? Datum()
                      : Datum(rows(*d.tensor(), second ? samples / 2 : 0, second ? samples : samples / 2)));
      (second ? out.second : out.first).push_back(std::move(part));
    }
  }
  if (out.first.empty()) out.first = out.second;
  if (out.second.empty()) out.second = out.first;
  return out;
}

class Search {
 public:
  Search(PassContext& ctx, Budget budget, const PolicyOptions& options, int64_t points)
      : ctx_(ctx), budget_(budget), o_(options), points_(points) {}

  void run() {
    // On a copy: the policy that is found is applied to the model as it came, as when it is run again.
    Model base = ctx_.model;
    PassSettings quiet = ctx_.settings;
    quiet.verify = Verify::off;
    PassContext scratch(base, quiet);
    scratch.values = ctx_.values;
    split_fused_weights(scratch, {.min_elements = o_.min_elements, .embeddings = true});
    const std::vector<WeightSite> original = find_weight_sites(base);
    const Roles roles = analyze_roles(base);
    const Model m = searched(base, scratch.values, original);
    const std::vector<WeightSite> sites = find_weight_sites(m);
    std::vector<std::vector<Datum>> learn, check = run_inputs(m, scratch.values, o_.data, ctx_.settings.seed);
    if (has_data()) std::tie(learn, check) = halves(std::move(check));
    for (Runs* runs : {&learn, &check})
      for (size_t i = 0, n = has_data() ? runs->size() : 0; i < n; ++i)
        if (auto shorter = short_version(m, (*runs)[i]); !shorter.empty())
          runs->push_back(std::move(shorter));
    LayerSearch search(m, sites,
                       {.learn = std::move(learn),
                        .check = check,
                        .damping = gptq_damping(o_.damping, o_.data),
                        .min_elements = o_.min_elements,
                        .seed = ctx_.settings.seed,
                        .gates = gates_,
                        .two_bits = budget_.max_bytes > 0,
                        .bytes_scheme = has_data() ? "quant-static" : "quant-dynamic"});
    layers_ = search.layers();
    if (layers_.empty()) {
      ctx_.missed("auto", m.nodes(m.main()).empty() ? NodeId() : m.nodes(m.main()).front(),
                  "the model has no weight that a scheme could hold");
      return;
    }
    const OutputViews views = view_outputs(base, roles);
    if (!has_data()) {  // made-up inputs are verified on a second draw, which local errors have not seen
      constexpr uint64_t kSecondDraw = 1000;
      for (auto& run : run_inputs(m, scratch.values, o_.data, ctx_.settings.seed + kSecondDraw))
        check.push_back(std::move(run));
    }
    if (budget_.fast)
      if (auto together = padded_together(m, check, views.mask); !together.empty())
        check.push_back(std::move(together));
    Tails tails(m, std::move(check), views, ctx_.settings.seed);
    classes_ = std::any_of(views.outputs.begin(), views.outputs.end(),
                           [](const OutputView& v) { return v.kind == OutputView::Kind::classes; });
    if (budget_.max_kl > 0 && !classes_)
      fail_usage("pass 'auto': max-kl wants a model whose output holds scores of classes or of a vocabulary");
    sensitivities(search, tails);
    set_times(base, original, packed(), layers_);
    rest_ = rest_bytes(m);
    front_ = select({});
    measure_ = [&](const Selection& s) {
      ConstantChange change;
      for (size_t i = 0; i < layers_.size(); ++i) change.merge(search.changed(layers_[i], option(s, i)));
      return tails.whole(change);
    };
    const Selection chosen = choose();
    report_front(original, roles, chosen);
    const Policy policy = written_policy(base, original, roles, layers_, chosen.picks);
    ctx_.findings.policy = to_xml(policy, comments(chosen));
    Findings kept = ctx_.findings;
    apply_policy(ctx_, policy, o_);
    ctx_.findings.front = std::move(kept.front);
    ctx_.findings.policy = std::move(kept.policy);
  }

 private:
  // The model as the search sees it: a copy. Where INT8 activations are a choice, their channels are evened
  // (SmoothQuant) as the pass will do, and each product has a gate.
  Model searched(const Model& base, const ShapeValues& base_values, const std::vector<WeightSite>& original) {
    if (!budget_.fast) return base;
    Model m = base;
    // Evening channels makes new nodes, in the same order.
    const auto same = [&](const std::vector<WeightSite>& sites) {
      return std::equal(sites.begin(), sites.end(), original.begin(), original.end(),
                        [](const WeightSite& a, const WeightSite& b) {
                          return a.kind == b.kind && a.k() == b.k() && a.n() == b.n() &&
                                 a.transposed == b.transposed;
                        });
    };
    PassSettings quiet = ctx_.settings;
    quiet.verify = Verify::off;
    PassContext scratch(m, quiet);
    scratch.values = base_values;
    smooth_inputs(scratch, {.data = o_.data, .padded = !has_data(), .choose = [&](const WeightSite& s) {
                              return s.weight->count() >= o_.min_elements;
                            }});
    ShapeValues values = scratch.values;
    if (!same(find_weight_sites(m))) {
      m = base;
      values = base_values;
    }
    const std::vector<WeightSite> sites = find_weight_sites(m);
    std::map<ValueId, CodeRange> ranges;
    if (has_data()) {  // ranges fixed by it round closer than those of each batch
      std::vector<ValueId> wanted;
      for (const WeightSite& s : sites)
        if (s.kind == WeightSite::Kind::product) wanted.push_back(s.input);
      ranges = tensor_ranges(m, values, wanted, {.data = o_.data, .seed = ctx_.settings.seed}, {});
    }
    gates_ = add_gates(m, values, sites, has_data() ? &ranges : nullptr);
    if (same(find_weight_sites(m))) return m;
    gates_.clear();
    return base;
  }

  // Weights of Attention that INT8 leaves whole.
  std::set<ValueId> packed() const {
    std::set<ValueId> weights;
    const Model& m = ctx_.model;
    for (const NodeId n : m.nodes(m.main()))
      if (m[n].is("Attention", "com.microsoft") && attention_refusal(ctx_, n).empty())
        weights.insert(m[n].in[1]);
    return weights;
  }

  bool has_data() const { return !o_.data.empty() && o_.data != "seeded"; }

  const LayerOption& option(const Selection& s, size_t layer) const {
    return layers_[layer].options[static_cast<size_t>(s.picks[layer])];
  }

  // What the search minimizes: 1 - cosine, or KL where that is asked for.
  double loss(const Fidelity& f) const { return budget_.max_kl > 0 ? f.kl : 1 - f.mean_cosine; }

  // One probe a layer, alone, at a coarse scheme; other schemes hurt in proportion to their local errors.
  void sensitivities(const LayerSearch& search, Tails& tails) {
    std::vector<std::vector<ValueId>> constants;
    std::vector<size_t> probes;
    for (const Layer& l : layers_) {
      constants.push_back(l.constants);
      size_t coarse = 0;
      for (size_t i = 0; i < l.options.size(); ++i)
        if (!l.options[i].stays && !l.options[i].dynamic && !l.options[i].blocks &&
            l.options[i].local > l.options[coarse].local)
          coarse = i;
      probes.push_back(coarse);
    }
    constexpr int64_t kProbeValues = 512;
    const auto seen = tails.each(
        constants, [&](size_t i) { return search.changed(layers_[i], layers_[i].options[probes[i]]); },
        kProbeValues);
    for (size_t i = 0; i < layers_.size(); ++i) {
      Layer& l = layers_[i];
      const double local = l.options[probes[i]].local;
      const double gain = local > 0 ? std::max(loss(seen[i]), 0.0) / local : 0;
      for (LayerOption& o : l.options) o.loss = gain * o.local;
      // A choice that is larger and no better than another only makes the search longer.
      std::stable_sort(l.options.begin(), l.options.end(),
                       [](const LayerOption& a, const LayerOption& b) { return a.bytes < b.bytes; });
    }
    // Rounded activations are not told by the weight's error: measured by themselves.
    std::vector<std::pair<size_t, LayerOption*>> rounded;
    constants.clear();
    for (size_t i = 0; i < layers_.size(); ++i)
      for (LayerOption& o : layers_[i].options)
        if (o.dynamic || o.blocks) {
          rounded.emplace_back(i, &o);
          constants.push_back({o.dynamic ? layers_[i].gates.whole : layers_[i].gates.blocks});
        }
    if (rounded.empty()) return weigh();
    const auto hurt = tails.each(
        constants, [&](size_t i) { return search.changed(layers_[rounded[i].first], *rounded[i].second); },
        kProbeValues);
    for (size_t i = 0; i < rounded.size(); ++i) rounded[i].second->loss = std::max(loss(hurt[i]), 0.0);
    weigh();
  }

  // From what was seen to what unseen inputs are expected to lose.
  void weigh() {
    for (Layer& l : layers_)
      for (LayerOption& o : l.options) o.loss *= unseen(l, o);
  }

  // Selections by size, with time weighed in at `price` bytes, by length, for the float model's whole time.
  std::vector<Selection> select(const LengthTimes& price) const {
    std::vector<std::vector<KnapsackChoice>> groups;
    for (const Layer& l : layers_) {
      std::vector<double> cost;
      for (const LayerOption& o : l.options)
        cost.push_back(std::inner_product(price.begin(), price.end(), o.time.begin(), 0.0));
      const double least = *std::min_element(cost.begin(), cost.end());
      auto& g = groups.emplace_back();
      for (size_t i = 0; i < cost.size(); ++i)
        g.push_back({l.options[i].bytes + static_cast<int64_t>(cost[i] - least), l.options[i].loss});
    }
    const bool priced = std::any_of(price.begin(), price.end(), [](double p) { return p > 0; });
    constexpr size_t kExact = 20'000, kOneOfMany = 2'000;
    std::vector<Selection> front = knapsack_front(groups, priced ? kOneOfMany : kExact);
    for (Selection& s : front) {
      s.bytes = 0;
      for (size_t i = 0; i < layers_.size(); ++i) s.bytes += option(s, i).bytes;
    }
    return front;
  }

  // At the length where the selection gains least, over the float model.
  double time_of(const Selection& s) const {
    LengthTimes t;
    t.fill(1);
    for (size_t i = 0; i < layers_.size(); ++i)
      for (size_t at = 0; at < t.size(); ++at) t[at] += option(s, i).time[at];
    return *std::max_element(t.begin(), t.end());
  }

  // How much worse inputs that were not seen may be than the worst that was seen: the worst of 128 sentences
  // over the worst seeded input, on all-MiniLM-L6-v2 (docs/precision.md, "Budgets"). Made-up inputs show more
  // of what rounded tables do (rows do not repeat), and too little of what rounded products do: they hold
  // none of the tokens that attention rests on.
  double unseen(const Layer& l, const LayerOption& o) const {
    constexpr double kData = 1.5, kTables = 0.4, kProducts = 5, kActivations = 4.2;
    if (has_data()) return kData;
    return l.table ? kTables : o.dynamic || o.blocks ? kActivations : kProducts;
  }

  // Of a selection; never less than what was seen.
  double unseen(const Selection& s) const {
    double seen = 0, expected = 0;
    for (size_t i = 0; i < layers_.size(); ++i) {
      const LayerOption& o = option(s, i);
      expected += o.loss;
      seen += o.loss / unseen(layers_[i], o);
    }
    return seen > 0 ? std::max(1.0, expected / seen) : 1;
  }

  bool keeps(size_t at) {
    const Fidelity& f = fidelity(at);
    const double worse = unseen(front_[at]);
    if (budget_.max_kl > 0 && std::max(worse, 1.0) * f.kl > budget_.max_kl) return false;
    return budget_.min_cosine <= 0 || worse * (1 - f.min_cosine) <= 1 - budget_.min_cosine;
  }

  [[noreturn]] void refuse(size_t at) {
    const Fidelity& f = fidelity(at);
    const double worse = std::max(unseen(front_[at]), 1.0);
    const std::string advice = has_data() ? "" : "; data=FOLDER of real inputs promises more";
    if (budget_.max_kl > 0 && worse * f.kl > budget_.max_kl)
      fail_check(
          "even the most exact choice has KL {:.5f}, up to {:.5f} on inputs not seen: short of max-kl={}{}",
          f.kl, worse * f.kl, budget_.max_kl, advice);
    fail_check(
        "even the most exact choice has a least cosine of {:.5f}, down to {:.5f} on inputs not seen: short "
        "of "
        "min-cosine={}{}",
        f.min_cosine, 1 - worse * (1 - f.min_cosine), budget_.min_cosine, advice);
  }

  Selection choose() {
    if (budget_.max_latency > 0) meet_latency();
    if (!budget_.promises()) {
      const int64_t most = budget_.max_bytes > 0 ? budget_.max_bytes - rest_ : front_.back().bytes;
      size_t at = front_.size();
      while (at > 0 && front_[at - 1].bytes > most) --at;
      if (at == 0)
        fail_check("no choice of schemes gets below {} bytes; max-bytes={} asks for less",
                   front_.front().bytes + rest_, budget_.max_bytes);
      return front_[at - 1];
    }
    size_t high = front_.size() - 1;
    if (!keeps(high)) refuse(high);
    high = keeps(0) ? 0 : narrow(0, high);
    // What is measured does not fall as smoothly as what was foretold: a smaller one may keep it too.
    size_t low = 0;
    for (const size_t i : shown()) {
      if (i >= high) break;
      if (keeps(i)) {
        high = narrow(low, i);
        break;
      }
      low = i;
    }
    if (budget_.max_bytes > 0 && front_[high].bytes + rest_ > budget_.max_bytes)
      fail_check("the promise needs {} bytes, max-bytes={} allows fewer", front_[high].bytes + rest_,
                 budget_.max_bytes);
    return front_[high];
  }

  // Losses fall along the front: the first selection after `low` that keeps the promise, found by measuring.
  // `high` keeps it.
  size_t narrow(size_t low, size_t high) {
    double scale = 1;  // of predicted to allowed loss, learnt as measuring goes on
    bool learnt = false;
    while (high > low + 1) {
      size_t next = (low + high) / 2;
      if (learnt) {  // where the prediction, corrected by the last measurement, meets the promise
        const double wanted = front_[last_].loss * scale;
        next = static_cast<size_t>(std::lower_bound(front_.begin(), front_.end(), wanted,
                                                    [](const Selection& s, double x) { return s.loss > x; }) -
                                   front_.begin());
        if (fidelities_.contains(next) || next <= low || next >= high) next = (low + high) / 2;
      }
      const Fidelity& f = fidelity(next);
      (keeps(next) ? high : low) = next;
      const double left = budget_.min_cosine > 0
                              ? (1 - budget_.min_cosine) / std::max(1 - f.min_cosine, 1e-12)
                              : budget_.max_kl / std::max(f.kl, 1e-12);
      scale = left / unseen(front_[next]);
      last_ = next;
      learnt = true;
      // Neighbours differ by a fraction of a percent: close enough ends the search.
      if (front_[high].bytes - front_[low].bytes < (front_[high].bytes + rest_) / 1000) break;
    }
    return high;
  }

  // Keeps the selections that are fast enough, out of fronts with time at rising prices.
  void meet_latency() {
    const auto fast = [&](const Selection& s) { return time_of(s) <= budget_.max_latency; };
    std::vector<Selection> kept;
    double fastest = std::numeric_limits<double>::infinity();
    const auto take = [&](const std::vector<Selection>& front) {
      for (const Selection& s : front) {
        fastest = std::min(fastest, time_of(s));
        if (fast(s)) kept.push_back(s);
      }
    };
    take(front_);
    // From a price at which the whole of the time is worth a part of the file, to one that leaves no choice.
    const double file = static_cast<double>(rest_ + front_.back().bytes);
    constexpr int kLeast = -3, kMost = 9;  // powers of two
    for (int power = kLeast; power <= kMost; ++power) {
      const double price = std::ldexp(file, power);
      for (size_t at = 0; at <= kLatencyLengths.size(); ++at) {  // one of the lengths, or both
        LengthTimes prices{};
        for (size_t l = 0; l < prices.size(); ++l) prices[l] = at == l || at == prices.size() ? price : 0;
        take(select(prices));
      }
    }
    if (kept.empty())
      fail_check(
          "no choice of schemes is faster than {:.3f} of the float model by the cost model; max-latency={} "
          "asks for less",
          fastest, budget_.max_latency);
    std::stable_sort(kept.begin(), kept.end(), [](const Selection& a, const Selection& b) {
      return a.bytes != b.bytes ? a.bytes < b.bytes : a.loss < b.loss;
    });
    front_.clear();
    for (Selection& s : kept)
      if (front_.empty() || s.loss < front_.back().loss) front_.push_back(std::move(s));
  }

  const Fidelity& fidelity(size_t i) {
    const auto it = fidelities_.find(i);
    return it != fidelities_.end() ? it->second : fidelities_.emplace(i, measure_(front_[i])).first->second;
  }

  // Bytes of the file that no choice changes.
  int64_t rest_bytes(const Model& m) const {
    int64_t constants = 0, named = 0;
    for (const ValueId v : m[m.main()].initializers)
      if (const Tensor* t = m.constant(v)) constants += static_cast<int64_t>(t->byte_size());
    for (const Layer& l : layers_)
      for (const ValueId v : l.constants) named += static_cast<int64_t>(m.constant(v)->byte_size());
    // Nodes, names and types: what is left of a file when its tensors' bytes are not counted.
    constexpr int64_t kNode = 160, kConstant = 80;
    const auto nodes = static_cast<int64_t>(m.nodes(m.main()).size());
    return constants - named + kNode * nodes +
           kConstant * static_cast<int64_t>(m[m.main()].initializers.size() + 3 * layers_.size());
  }

  std::string what(const std::vector<WeightSite>& sites, const Roles& roles, const Selection& s) const {
    std::map<std::string, std::map<std::string, int64_t>> by_role;  // role -> scheme -> elements
    for (size_t i = 0; i < layers_.size(); ++i) {
      const WeightSite& site = sites[layers_[i].sites.front()];
      const LayerOption& o = option(s, i);
      by_role[std::string(role_name(role_of(site, roles)))]
             [o.stays     ? "float"
              : o.dynamic ? "int8"
                          : fmt::format("{}/{}{}", o.scheme.bits, o.scheme.block, o.blocks ? "+int8" : "")] +=
          site.weight->count();
    }
    std::string text;
    for (const auto& [role, schemes] : by_role) {
      int64_t all = 0;
      for (const auto& [scheme, n] : schemes) all += n;
      text += (text.empty() ? "" : ", ") + role;
      for (const auto& [scheme, n] : schemes)
        text +=
            schemes.size() == 1 ? " " + scheme : fmt::format(" {}:{}%", scheme, (100 * n + all / 2) / all);
    }
    return text;
  }

  void report_front(const std::vector<WeightSite>& sites, const Roles& roles, const Selection& chosen) {
    size_t chosen_at = 0;
    while (chosen_at + 1 < front_.size() && front_[chosen_at].bytes < chosen.bytes) ++chosen_at;
    std::vector<size_t> picked = shown();
    if (const auto it = std::lower_bound(picked.begin(), picked.end(), chosen_at);
        it == picked.end() || *it != chosen_at)
      picked.insert(it, chosen_at);
    for (const size_t i : picked) {
      const Fidelity& f = fidelity(i);
      ctx_.findings.front.push_back({.bytes = front_[i].bytes + rest_,
                                     .predicted = front_[i].loss,
                                     .mean = f.mean_cosine,
                                     .min = f.min_cosine,
                                     .kl = f.kl,
                                     .latency = time_of(front_[i]),
                                     .what = what(sites, roles, front_[i]),
                                     .chosen = i == chosen_at});
    }
    chosen_fidelity_ = fidelity(chosen_at);
  }

  // Places in the front, ascending: evenly over the sizes where every weight has a scheme, and a few of those
  // where some stay; the ends too.
  std::vector<size_t> shown() const {
    std::vector<size_t> picked;
    const auto spread = [&](size_t low, size_t high, int64_t count) {
      for (int64_t p = 0; p < count; ++p)
        picked.push_back(low + (high - low) * static_cast<size_t>(p) /
                                   static_cast<size_t>(std::max<int64_t>(count - 1, 1)));
    };
    size_t dense = 0;  // the last selection in which nothing stays
    for (size_t i = 0; i < front_.size(); ++i) {
      bool stays = false;
      for (size_t l = 0; l < layers_.size(); ++l) stays = stays || option(front_[i], l).stays;
      if (!stays) dense = i;
    }
    const int64_t above = std::max<int64_t>(points_ / 5, 1);
    spread(0, dense, points_ - above);
    spread(dense, front_.size() - 1, above + 1);
    std::sort(picked.begin(), picked.end());
    picked.erase(std::unique(picked.begin(), picked.end()), picked.end());
    return picked;
  }

  std::vector<std::string> comments(const Selection& chosen) const {
    std::string asked;
    if (budget_.min_cosine > 0) asked += fmt::format(" min-cosine={}", budget_.min_cosine);
    if (budget_.max_kl > 0) asked += fmt::format(" max-kl={}", budget_.max_kl);
    if (budget_.max_bytes > 0) asked += fmt::format(" max-bytes={}", budget_.max_bytes);
    if (budget_.max_latency > 0) asked += fmt::format(" max-latency={}", budget_.max_latency);
    std::vector<std::string> lines = {
        fmt::format("found by auto:{}; on {} vectors of {}: cosine mean {:.5f}, min {:.5f}; about {} bytes",
                    asked.empty() ? " nothing asked for" : asked, chosen_fidelity_.vectors,
                    o_.data.empty() ? "seeded inputs" : o_.data, chosen_fidelity_.mean_cosine,
                    chosen_fidelity_.min_cosine, chosen.bytes + rest_)};
    if (!has_data() && !reads_tokens(ctx_.model))
      lines.push_back(
          "the model reads no tokens: made-up inputs are noise to it; data=FOLDER of real ones tells more");
    std::string options = "file=THIS";
    if (!o_.data.empty()) options += ",data=" + o_.data;
    if (o_.damping > 0) options += fmt::format(",damping={}", o_.damping);
    if (o_.min_elements != PolicyOptions{}.min_elements)
      options += fmt::format(",min-elements={}", o_.min_elements);
    lines.push_back(fmt::format("the same again: onnx-opt -p 'fuse,policy{{{}}}' MODEL", options));
    return lines;
  }

  PassContext& ctx_;
  Budget budget_;
  PolicyOptions o_;
  int64_t points_;
  std::vector<Layer> layers_;
  std::vector<Selection> front_;
  std::map<size_t, Fidelity> fidelities_;
  std::map<NodeId, Gates> gates_;
  std::function<Fidelity(const Selection&)> measure_;
  Fidelity chosen_fidelity_;
  int64_t rest_ = 0;
  size_t last_ = 0;
  bool classes_ = false;
};

void run(PassContext& ctx, const PassOptions& o) {
  Budget b;
  b.min_cosine = o.number("min-cosine");
  b.max_kl = o.number("max-kl");
  b.max_bytes = o.integer("max-bytes");
  b.max_latency = o.number("max-latency");
  b.fast = o.flag("fast") || b.max_latency > 0;
  constexpr double kFast = 0.6;
  if (b.fast && b.max_latency == 0) b.max_latency = kFast;
  if (!(b.min_cosine >= 0 && b.min_cosine < 1))
    fail_usage("pass 'auto': min-cosine={} is not between 0 and 1", b.min_cosine);
  if (!(b.max_kl >= 0) || b.max_bytes < 0 || !(b.max_latency >= 0))
    fail_usage("pass 'auto': a budget is negative");
  if (!b.promises() && b.max_bytes == 0 && b.max_latency == 0)
    fail_usage("pass 'auto' wants a budget: min-cosine=0.99, max-kl=0.01, max-bytes=20MB or max-latency=0.8");
  Search(ctx, b, policy_options(ctx, o), o.integer("points")).run();
}

}  // namespace

PassDef auto_precision() {
  PassDef p;
  p.name = "auto";
  p.group = "quantization";
  p.summary =
      "The smallest precisions that keep a budget: each weight's harm is measured, the choice verified";
  p.options = {
      {"min-cosine", "every output vector at least this near to the float model's (0: not asked)", "0"},
      {"max-kl", "of the classes' probabilities from the float model's, on the mean (0: not asked)", "0"},
      {"max-bytes", "of the file, as 20MB (0: not asked)", "0"},
      {"max-latency",
       "of the float model's time, as a fraction: 0.6; by the cost model, at 16 and at 128 tokens (0: not "
       "asked)",
       "0"},
      {"fast",
       "offer INT8 activations too (quant-static with data, otherwise quant-dynamic; accuracy-level 4), and "
       "max-latency=0.6 unless given",
       "false"},
      {"data", "what measuring and calibration feed: a .npz file, a folder of them; empty: seeded inputs",
       ""},
      {"damping", "of GPTQ: fraction of the mean second moment; 0: 0.03, on seeded data 0.1", "0"},
      {"min-elements", "leave smaller weights alone", "4096"},
      {"points", "of the Pareto front", "14"}};
  p.run = run;
  return p;
}

}  // namespace lathe
