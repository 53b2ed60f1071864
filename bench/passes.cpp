// Whole pipelines, with and without the check of every rewrite; and 4-bit packing alone.
#include <benchmark/benchmark.h>

#include "bench/models.h"
#include "ir/base/rng.h"
#include "ir/core/walk.h"
#include "passes/core/pipeline.h"
#include "passes/quant/nbits.h"

namespace lathe::bench {
namespace {

void pipeline(benchmark::State& state, const char* text, Verify verify) {
  const Model& before = model_of(state.range(0));
  const auto steps = parse_pipeline(text);
  PassSettings settings;
  settings.target = Target::named("ort-cpu");
  settings.verify = verify;
  size_t left = 0;
  for (auto _ : state) {
    state.PauseTiming();
    Model m = before;
    state.ResumeTiming();
    run_pipeline(m, steps, settings);
    state.PauseTiming();
    left = node_count(m);
    state.ResumeTiming();
  }
  state.counters["nodes"] = static_cast<double>(node_count(before));
  state.counters["left"] = static_cast<double>(left);
}
void sizes(benchmark::internal::Benchmark* b) {
  b->Arg(0)->Arg(20)->Arg(100)->ArgName("layers")->Unit(benchmark::kMillisecond);
}
BENCHMARK_CAPTURE(pipeline, cse, "cse", Verify::off)->Apply(sizes);
BENCHMARK_CAPTURE(pipeline, fold, "fold", Verify::patch)->Apply(sizes);
BENCHMARK_CAPTURE(pipeline, simplify, "simplify", Verify::patch)->Apply(sizes);
BENCHMARK_CAPTURE(pipeline, fuse, "fuse", Verify::patch)->Apply(sizes);
BENCHMARK_CAPTURE(pipeline, fuse_unchecked, "fuse", Verify::off)->Apply(sizes);
BENCHMARK_CAPTURE(pipeline, fuse_quant4, "fuse,quant4", Verify::patch)->Apply(sizes);

// Arguments: rows (the input dimension), columns, symmetric.
void pack_4_bits(benchmark::State& state) {
  Tensor w = Tensor::uninitialized(DType::F32, {state.range(0), state.range(1)});
  Rng rng(1);
  for (float& v : w.mutable_data<float>()) v = rng.bell();
  Scheme scheme;
  scheme.symmetric = state.range(2) != 0;
  for (auto _ : state) benchmark::DoNotOptimize(quantize_nbits(w, false, scheme));
  state.SetBytesProcessed(static_cast<int64_t>(w.byte_size()) * state.iterations());
}
BENCHMARK(pack_4_bits)
    ->ArgNames({"k", "n", "symmetric"})
    ->Args({384, 1536, 1})
    ->Args({384, 1536, 0})
    ->Args({4096, 4096, 1})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace lathe::bench
