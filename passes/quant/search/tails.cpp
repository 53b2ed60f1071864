#include "passes/quant/search/tails.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "ir/core/walk.h"
#include "ir/exec/executor.h"

namespace lathe {

struct Tails::Impl {
  using Env = std::unordered_map<ValueId, Datum>;

  const Model& m;
  std::vector<std::vector<Datum>> runs, wanted;
  OutputViews views;
  std::vector<NodeId> nodes;
  std::unordered_map<ValueId, size_t> last_use;  // position of the last node that reads a value
  std::unordered_map<ValueId, size_t> first_use;
  Executor executor;

  Impl(const Model& model, std::vector<std::vector<Datum>> r, OutputViews v, uint64_t seed)
      : m(model), runs(std::move(r)), views(std::move(v)), executor(model, {.seed = seed}) {
    for (const NodeId n : m.nodes(m.main())) nodes.push_back(n);
    for (size_t i = 0; i < nodes.size(); ++i) read_by(nodes[i], i);
    for (const ValueId out : m.outputs(m.main()))
      if (out) last_use[out] = nodes.size();
    for (const auto& inputs : runs) wanted.push_back(executor.run(inputs));
  }

  void read_by(NodeId n, size_t at) {
    std::vector<ValueId> read = m[n].in;
    for (const GraphId g : m.subgraphs(n))
      for (const ValueId v : captures(m, g)) read.push_back(v);
    for (const ValueId v : read)
      if (v) {
        last_use[v] = at;
        first_use.try_emplace(v, at);
      }
  }

  Env begin(size_t run) const {
    Env env;
    const auto ids = m.inputs(m.main());
    for (size_t i = 0; i < ids.size(); ++i) {
      if (i < runs[run].size() && !runs[run][i].empty())
        env[ids[i]] = runs[run][i];
      else if (m[ids[i]].constant)
        env[ids[i]] = *m[ids[i]].constant;
    }
    return env;
  }

  std::vector<Datum> outputs(const Env& env) const {
    std::vector<Datum> out;
    for (const ValueId v : m.outputs(m.main())) {
      const auto it = env.find(v);
      if (it != env.end())
        out.push_back(it->second);
      else if (const Tensor* t = v ? m.constant(v) : nullptr)
        out.emplace_back(*t);
      else
        out.emplace_back();
    }
    return out;
  }

  // Runs nodes [from, to) in parts, forgetting what no later node reads.
  void advance(Env& env, size_t from, size_t to) {
    constexpr size_t kPart = 24;
    while (from < to) {
      const size_t end = std::min(to, from + kPart);
      executor.run_nodes(std::span(nodes).subspan(from, end - from), env);
      from = end;
      std::erase_if(env, [&](const auto& e) {
        const auto it = last_use.find(e.first);
        return it == last_use.end() || it->second < from;
      });
    }
  }
};

Tails::Tails(const Model& m, std::vector<std::vector<Datum>> runs, OutputViews views, uint64_t seed)
    : impl_(std::make_unique<Impl>(m, std::move(runs), std::move(views), seed)) {}
Tails::~Tails() = default;

Fidelity Tails::whole(const ConstantChange& change) {
  Impl& t = *impl_;
  FidelityMeter meter(t.views);
  for (size_t run = 0; run < t.runs.size(); ++run) {
    Impl::Env env = t.begin(run);
    for (const auto& [v, tensor] : change) env[v] = tensor;
    t.advance(env, 0, t.nodes.size());
    meter.add(t.runs[run], t.wanted[run], t.outputs(env));
  }
  return meter.result();
}

std::vector<Fidelity> Tails::each(const std::vector<std::vector<ValueId>>& changed,
                                  const std::function<ConstantChange(size_t)>& change, int64_t values) {
  Impl& t = *impl_;
  const auto start = [&](size_t i) {
    size_t first = t.nodes.size();
    for (const ValueId v : changed[i])
      if (const auto it = t.first_use.find(v); it != t.first_use.end()) first = std::min(first, it->second);
    return first;
  };
  std::vector<size_t> order(changed.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return start(a) < start(b); });

  // Runs spread over the whole range, as many as the values allow.
  const auto size = [&](size_t run) {
    int64_t n = 0;
    for (const Datum& d : t.runs[run])
      if (const Tensor* x = d.tensor()) n = std::max(n, x->count());
    return n;
  };
  int64_t all = 0;
  for (size_t r = 0; r < t.runs.size(); ++r) all += size(r);
  const size_t step =
      std::max<size_t>(1, static_cast<size_t>((all + values - 1) / std::max<int64_t>(values, 1)));
  std::vector<size_t> chosen;
  for (size_t r = step / 2; r < t.runs.size(); r += step) chosen.push_back(r);
  if (chosen.empty()) chosen.push_back(t.runs.size() / 2);

  std::vector<Impl::Env> envs;
  for (const size_t r : chosen) envs.push_back(t.begin(r));
  std::vector<Fidelity> result(changed.size());
  size_t at = 0;
  for (const size_t i : order) {
    const size_t from = start(i);
    const ConstantChange made = change(i);
    FidelityMeter meter(t.views);
    for (size_t c = 0; c < chosen.size(); ++c) {
      t.advance(envs[c], at, from);
      Impl::Env env = envs[c];
      for (const auto& [v, tensor] : made) env[v] = tensor;
      t.advance(env, from, t.nodes.size());
      meter.add(t.runs[chosen[c]], t.wanted[chosen[c]], t.outputs(env));
    }
    at = from;
    result[i] = meter.result();
  }
  return result;
}

}  // namespace lathe
