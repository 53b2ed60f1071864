// The executor's kernels, one op a graph, on MiniLM's shapes; and the sample model as a whole.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <map>

#include "bench/models.h"
#include "ir/base/rng.h"
#include "ir/exec/executor.h"
#include "ir/onnx/text.h"
#include "ir/ops/infer.h"

namespace lathe::bench {
namespace {

Tensor normal(std::vector<int64_t> dims) {
  Tensor t = Tensor::uninitialized(DType::F32, std::move(dims));
  Rng rng(1);
  for (float& v : t.mutable_data<float>()) v = rng.bell();
  return t;
}
Tensor bytes(std::vector<int64_t> dims) {
  Tensor t = Tensor::uninitialized(DType::U8, std::move(dims));
  Rng rng(1);
  for (uint8_t& v : t.mutable_data<uint8_t>()) v = static_cast<uint8_t>(rng.next());
  return t;
}

// Runs a graph in ONNX's text syntax; `flops` of one run.
void run(benchmark::State& state, const std::string& text, const std::map<std::string, Datum>& inputs,
         double flops) {
  Model m = parse_model(text);
  infer_types(m);
  Executor executor(m);
  for (auto _ : state) benchmark::DoNotOptimize(executor.run(inputs));
  state.counters["flop/s"] =
      benchmark::Counter(flops * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

void matmul(benchmark::State& state) {
  const int64_t m = state.range(0), k = state.range(1), n = state.range(2);
  run(state,
      fmt::format("g (float[{0}, {1}] x, float[{1}, {2}] w) => (float[{0}, {2}] y) {{ y = MatMul(x, w) }}", m,
                  k, n),
      {{"x", normal({m, k})}, {"w", normal({k, n})}}, 2.0 * static_cast<double>(m * k * n));
}
BENCHMARK(matmul)
    ->ArgNames({"m", "k", "n"})
    ->Args({128, 384, 384})
    ->Args({128, 384, 1536})
    ->Args({1, 384, 1536})
    ->Args({512, 1024, 1024})
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

// x [m, k] or an image times weights that are the same in each run.
void run_constant(benchmark::State& state, const std::string& type, Attrs attrs, const Tensor& x,
                  const Tensor& w, double flops) {
  Model m;
  m.info.opsets = {{"", 22}};
  const ValueId in =
      m.add_input(m.main(), {"x", Type::tensor(DType::F32, Shape(x.dims.begin(), x.dims.end())), nullptr});
  const NodeId n =
      m.create("", type, {in, m.add_initializer(m.main(), w, "w")}, std::move(attrs), 1, "n", {"y"});
  m.place(n, m.main());
  m.add_output(m.main(), m[n].out[0], {"y", {}, nullptr});
  Executor executor(m);
  for (auto _ : state) benchmark::DoNotOptimize(executor.run({{"x", x}}));
  state.counters["flop/s"] =
      benchmark::Counter(flops * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

void matmul_weights(benchmark::State& state) {
  const int64_t m = state.range(0), k = state.range(1), n = state.range(2);
  run_constant(state, "MatMul", {}, normal({m, k}), normal({k, n}), 2.0 * static_cast<double>(m * k * n));
}
BENCHMARK(matmul_weights)
    ->ArgNames({"m", "k", "n"})
    ->Args({128, 384, 384})
    ->Args({128, 384, 1536})
    ->Args({128, 1536, 384})
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

void conv(benchmark::State& state) {
  const int64_t channels = state.range(0), size = state.range(1), kernel = state.range(2),
                group = state.range(3);
  const int64_t in_group = channels / group;
  Attrs attrs;
  attrs.set("group", group);
  attrs.set("pads", std::vector<int64_t>(4, kernel / 2));
  run_constant(state, "Conv", std::move(attrs), normal({1, channels, size, size}),
               normal({channels, in_group, kernel, kernel}),
               2.0 * static_cast<double>(channels * in_group * size * size * kernel * kernel));
}
BENCHMARK(conv)
    ->ArgNames({"channels", "size", "kernel", "group"})
    ->Args({64, 56, 3, 1})
    ->Args({256, 14, 3, 1})
    ->Args({512, 7, 3, 1})
    ->Args({240, 14, 5, 240})
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

void matmul_4_bits(benchmark::State& state) {
  const int64_t m = state.range(0), k = state.range(1), n = state.range(2), blocks = k / 32;
  run(state,
      fmt::format("g (float[{0}, {1}] x, uint8[{2}, {3}, 16] w, float[{4}] s) => (float[{0}, {2}] y) {{ y = "
                  "com.microsoft.MatMulNBits <K = {1}, N = {2}, bits = 4, block_size = 32> (x, w, s) }}",
                  m, k, n, blocks, n * blocks),
      {{"x", normal({m, k})}, {"w", bytes({n, blocks, 16})}, {"s", normal({n * blocks})}},
      2.0 * static_cast<double>(m * k * n));
}
BENCHMARK(matmul_4_bits)
    ->ArgNames({"m", "k", "n"})
    ->Args({128, 384, 1536})
    ->Args({1, 384, 1536})
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

void softmax(benchmark::State& state) {
  const int64_t rows = state.range(0), n = state.range(1);
  run(state,
      fmt::format("g (float[{0}, {1}] x) => (float[{0}, {1}] y) {{ y = Softmax <axis = -1> (x) }}", rows, n),
      {{"x", normal({rows, n})}}, 5.0 * static_cast<double>(rows * n));
}
BENCHMARK(softmax)
    ->ArgNames({"rows", "n"})
    ->Args({1536, 128})
    ->Args({12288, 512})
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

void layer_norm(benchmark::State& state) {
  const int64_t rows = state.range(0), n = state.range(1);
  run(state,
      fmt::format("g (float[{0}, {1}] x, float[{1}] s, float[{1}] b) => (float[{0}, {1}] y) {{ y = "
                  "LayerNormalization <axis = -1> "
                  "(x, s, b) }}",
                  rows, n),
      {{"x", normal({rows, n})}, {"s", normal({n})}, {"b", normal({n})}},
      8.0 * static_cast<double>(rows * n));
}
BENCHMARK(layer_norm)
    ->ArgNames({"rows", "n"})
    ->Args({128, 384})
    ->Args({4096, 384})
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

void gelu(benchmark::State& state) {
  const int64_t n = state.range(0);
  run(state, fmt::format("g (float[{0}] x) => (float[{0}] y) {{ y = Gelu(x) }}", n), {{"x", normal({n})}},
      8.0 * static_cast<double>(n));
}
BENCHMARK(gelu)->ArgName("n")->Arg(128 * 1536)->UseRealTime()->Unit(benchmark::kMicrosecond);

void sample_model(benchmark::State& state) {
  Model m = model_of(0);
  infer_types(m);
  const int64_t batch = state.range(0), sequence = state.range(1);
  std::map<std::string, Datum> inputs;
  for (const Port& p : m[m.main()].inputs) inputs[p.name] = Tensor::full(DType::I64, {batch, sequence}, 1);
  Executor executor(m);
  for (auto _ : state) benchmark::DoNotOptimize(executor.run(inputs));
}
BENCHMARK(sample_model)
    ->ArgNames({"batch", "sequence"})
    ->Args({1, 16})
    ->Args({4, 128})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace lathe::bench
