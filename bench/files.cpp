// Loading and saving, lifting and lowering.
#include <benchmark/benchmark.h>

#include "bench/models.h"
#include "ir/core/walk.h"
#include "ir/onnx/lift.h"
#include "ir/onnx/load.h"
#include "ir/onnx/save.h"

namespace lathe::bench {
namespace {

void count_nodes(benchmark::State& state, const Model& m) {
  state.counters["nodes/s"] =
      benchmark::Counter(static_cast<double>(node_count(m)) * static_cast<double>(state.iterations()),
                         benchmark::Counter::kIsRate);
}

void load(benchmark::State& state) {
  const auto path = path_of(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(load_model(path));
  count_nodes(state, model_of(state.range(0)));
}
BENCHMARK(load)->Arg(0)->Arg(20)->Arg(200)->ArgName("layers")->Unit(benchmark::kMillisecond);

void load_unlifted(benchmark::State& state) {
  const auto path = path_of(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(load_model(path, {.lift = false, .external_data = false}));
  count_nodes(state, model_of(state.range(0)));
}
BENCHMARK(load_unlifted)->Arg(0)->Arg(200)->ArgName("layers")->Unit(benchmark::kMillisecond);

void save(benchmark::State& state) {
  const Model& m = model_of(state.range(0));
  const auto path = encoder_path(1).replace_filename("saved.onnx");
  for (auto _ : state) save_model(m, path);
  count_nodes(state, m);
  state.SetBytesProcessed(static_cast<int64_t>(std::filesystem::file_size(path)) * state.iterations());
}
BENCHMARK(save)->Arg(0)->Arg(20)->Arg(200)->ArgName("layers")->Unit(benchmark::kMillisecond);

void snapshot(benchmark::State& state) {
  const Model& m = model_of(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(Model(m));
  count_nodes(state, m);
}
BENCHMARK(snapshot)->Arg(0)->Arg(200)->ArgName("layers")->Unit(benchmark::kMicrosecond);

// `change` on a fresh copy each time; the copying is not timed.
template <class F>
void on_copies(benchmark::State& state, const Model& before, F change) {
  for (auto _ : state) {
    state.PauseTiming();
    Model m = before;
    state.ResumeTiming();
    change(m);
  }
  count_nodes(state, before);
}

void lift_all(benchmark::State& state) {
  on_copies(state, load_model(path_of(state.range(0)), {.lift = false}), [](Model& m) { lift(m); });
}
BENCHMARK(lift_all)->Arg(0)->Arg(200)->ArgName("layers")->Unit(benchmark::kMicrosecond);

void lower_all(benchmark::State& state) {
  on_copies(state, model_of(state.range(0)), [](Model& m) { lower(m); });
}
BENCHMARK(lower_all)->Arg(0)->Arg(200)->ArgName("layers")->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace lathe::bench
