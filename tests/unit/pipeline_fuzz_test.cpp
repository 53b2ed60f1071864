// Seeded mutations of a real model (the sample, as an exporter wrote it) through everything that onnx-opt and
// onnx-run do (LATHE_FUZZ_ROUNDS and LATHE_FUZZ_SEED make it longer, or another): load, check, optimize,
// save, load again, run. Each ends in a result or in an error of one line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "ir/base/error.h"
#include "ir/base/mapped_file.h"
#include "ir/base/parse.h"
#include "ir/base/rng.h"
#include "ir/core/check.h"
#include "ir/core/walk.h"
#include "ir/exec/executor.h"
#include "ir/exec/seed_inputs.h"
#include "ir/onnx/load.h"
#include "ir/onnx/save.h"
#include "ir/ops/infer.h"
#include "passes/core/pipeline.h"
#include "tests/support/spoil.h"

namespace lathe {
namespace {

using namespace std::string_view_literals;

std::string read_sample() {
  const auto file = MappedFile::open("samples/models/tiny-bert.onnx");
  return {reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()};
}

// Offsets of the bytes that say something: all but the contents of weights.
std::vector<size_t> telling_bytes(const std::string& bytes) {
  std::vector<char> dull(bytes.size());
  const auto file = MappedFile::from_bytes(bytes);
  const auto* begin = reinterpret_cast<const char*>(file->bytes().data());
  const Model m = load_model(file, "sample", {}, {});
  for (const GraphId g : all_graphs(m))
    for (const ValueId v : m[g].initializers) {
      const auto* data = reinterpret_cast<const char*>(m[v].constant->bytes().data());
      const size_t size = m[v].constant->byte_size();
      constexpr size_t kLargestTold = 64;
      if (size > kLargestTold && data >= begin && data + size <= begin + bytes.size())
        std::fill_n(dull.begin() + (data - begin), size, 1);
    }
  std::vector<size_t> at;
  for (size_t i = 0; i < bytes.size(); ++i)
    if (dull[i] == 0) at.push_back(i);
  return at;
}

size_t pick(Rng& rng, size_t count) {
  return static_cast<size_t>(rng.integer(0, static_cast<int64_t>(count) - 1));
}

std::string mutate(std::string s, const std::vector<size_t>& at, Rng& rng) {
  for (int64_t n = rng.integer(1, 4); n > 0; --n) {
    const size_t i = at[pick(rng, at.size())];
    const int64_t how = rng.integer(0, 4);
    switch (how) {
      case 0:
      case 1:
      case 2:
        s[i] = test::spoiled(s[i], how, rng, "\x00\x01\x02\x03\x7f\x80\xff"sv);
        break;
      default: {  // a piece of one place in another: names, types and attributes meet where they should not
        const size_t from = at[pick(rng, at.size())], size = pick(rng, 24) + 1;
        if (std::max(from, i) + size < s.size()) s.replace(i, size, s.substr(from, size));
      }
    }
  }
  return s;
}

// Runs it on seeded inputs, if its types say enough to make them.
void execute(Model m) {
  infer_types(m);
  Binding binding(Binding::Fill::primes);
  Rng rng(1);
  std::vector<Datum> inputs;
  for (const ValueId v : m.inputs(m.main())) {
    std::string why;
    auto d = m.constant(v) != nullptr
                 ? std::optional<Datum>(Datum())
                 : seed_value(m, {}, v, binding, rng, FloatFill::normal, int64_t{1} << 20, &why);
    if (!d) return;
    inputs.push_back(std::move(*d));
  }
  Executor(m, {.max_bytes = int64_t{64} << 20, .max_iterations = 1000}).run(inputs);
}

int64_t asked(const char* variable, int64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : parse_number<int64_t>(text).value_or(otherwise);
}

TEST(PipelineFuzzTest, MutantsAreOptimizedOrRefused) {
  const std::string sample = read_sample();
  const std::vector<size_t> at = telling_bytes(sample);
  ASSERT_GT(at.size(), 5000U);
  const auto steps = parse_pipeline("O3,quant4,fp16");
  const auto rounds = static_cast<int>(asked("LATHE_FUZZ_ROUNDS", 300));
  Rng rng(static_cast<uint64_t>(asked("LATHE_FUZZ_SEED", 20261121)));
  int optimized = 0, loaded = 0;
  for (int i = 0; i < rounds; ++i) {
    SCOPED_TRACE(i);
    const std::string bytes = mutate(sample, at, rng);
    try {
      Model m = load_model(MappedFile::from_bytes(bytes), "mutant", {}, {});
      ++loaded;
      const Model before = m;
      run_pipeline(m, steps, {});
      ASSERT_THAT(check_invariants(m), testing::IsEmpty());
      const std::string saved = serialize_model(m);
      ++optimized;
      load_model(MappedFile::from_bytes(saved), "again", {}, {});
      execute(before);
      execute(m);
    } catch (const Error& e) {
      ASSERT_EQ(e.kind(), ErrorKind::input) << e.what();
      ASSERT_EQ(std::string_view(e.what()).find("again"), std::string_view::npos) << e.what();
      ASSERT_EQ(std::string_view(e.what()).find('\n'), std::string_view::npos) << e.what();
    }
  }
  // Neither too mild nor too wild.
  EXPECT_GT(optimized, rounds / 20);
  EXPECT_LT(loaded, rounds);
}

}  // namespace
}  // namespace lathe
