// What passes ask of a graph: its hash, its order, dominators, types, and where a pattern matches.
#include <benchmark/benchmark.h>

#include "bench/models.h"
#include "ir/core/order.h"
#include "ir/core/structural_hash.h"
#include "ir/core/walk.h"
#include "ir/ops/infer.h"
#include "passes/core/match.h"
#include "passes/core/pass.h"

namespace lathe::bench {
namespace {

template <class F>
void over_nodes(benchmark::State& state, F&& body) {
  const Model& m = model_of(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(body(m));
  state.counters["nodes/s"] =
      benchmark::Counter(static_cast<double>(node_count(m)) * static_cast<double>(state.iterations()),
                         benchmark::Counter::kIsRate);
}
void sizes(benchmark::internal::Benchmark* b) {
  b->Arg(0)->Arg(20)->Arg(200)->ArgName("layers")->Unit(benchmark::kMicrosecond);
}

void hash(benchmark::State& state) {
  over_nodes(state, [](const Model& m) { return structural_hash(m); });
}
BENCHMARK(hash)->Apply(sizes);

void order(benchmark::State& state) {
  over_nodes(state, [](const Model& m) { return topological_order(m, m.main()).size(); });
}
BENCHMARK(order)->Apply(sizes);

void dominator_tree(benchmark::State& state) {
  over_nodes(state, [](const Model& m) { return dominators(m, m.main()).size(); });
}
BENCHMARK(dominator_tree)->Apply(sizes);

void types(benchmark::State& state) {
  Model m = model_of(state.range(0));
  over_nodes(state, [&](const Model&) { return infer_types(m).size(); });
}
BENCHMARK(types)->Apply(sizes);

// Every rule of a pass at every node.
void match_rules(benchmark::State& state, const char* pass) {
  Model typed = model_of(state.range(0));
  infer_types(typed);
  const PassDef& def = *find_pass(pass);
  int64_t found = 0;
  over_nodes(state, [&](const Model&) {
    found = 0;
    for (const NodeId n : typed.nodes(typed.main()))
      for (const Rule& rule : def.rules)
        found += match(typed, rule.pattern, typed[n].out[0]).has_value() ? 1 : 0;
    return found;
  });
  state.counters["matches"] = static_cast<double>(found);
}
BENCHMARK_CAPTURE(match_rules, gelu, "fuse-gelu")->Apply(sizes);
BENCHMARK_CAPTURE(match_rules, layer_norm, "fuse-layer-norm")->Apply(sizes);
BENCHMARK_CAPTURE(match_rules, matmul_bias, "fuse-matmul-bias")->Apply(sizes);

}  // namespace
}  // namespace lathe::bench
