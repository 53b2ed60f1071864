// Models that are well-formed files and still mean harm: sizes that explode when they are computed, operands
// that ops must refuse, numbers that quantizers stumble over. onnx-opt either refuses or carries such a node;
// onnx-run refuses; neither takes much memory or time, and nothing is left behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ir/onnx/save.h"
#include "ir/onnx/text.h"
#include "tests/support/program.h"

namespace lathe {
namespace {

using namespace test;
using testing::ElementsAre;
using testing::HasSubstr;

struct Hostile {
  const char* name;
  const char* body;      // of a graph (float[n] x) => (float[k] y)
  const char* run_says;  // "": it runs
  const char* opt_says;  // "": what cannot be computed is left to the runtime
};

void PrintTo(const Hostile& h, std::ostream* out) { *out << h.name; }

// 2^38 elements of float32 are a terabyte.
const Hostile kHostile[] = {
    {"constant_of_shape", "s = Constant <value = int64[1] {274877906944}> () y = ConstantOfShape (s)",
     "memory", ""},
    {"constant_of_shape_used",
     "s = Constant <value = int64[1] {274877906944}> () a = ConstantOfShape (s) b = Relu (a) y = ReduceSum "
     "(b)",
     "memory", ""},
    {"constant_of_shape_overflow",
     "s = Constant <value = int64[2] {1099511627776, 1099511627776}> () y = ConstantOfShape (s)", "overflow",
     ""},
    {"constant_of_shape_negative", "s = Constant <value = int64[1] {-5}> () y = ConstantOfShape (s)",
     "negative size -5", "negative size -5"},
    {"expand",
     "c = Constant <value = float[1] {1}> () s = Constant <value = int64[1] {274877906944}> () y = Expand "
     "(c, s)",
     "memory", ""},
    {"tile",
     "c = Constant <value = float[1] {1}> () s = Constant <value = int64[1] {274877906944}> () y = Tile (c, "
     "s)",
     "memory", ""},
    {"pad",
     "c = Constant <value = float[1] {1}> () s = Constant <value = int64[2] {0, 274877906944}> () y = Pad "
     "(c, s)",
     "memory", ""},
    {"pad_overflow",
     "c = Constant <value = float[1] {1}> () s = Constant <value = int64[2] {9223372036854775807, "
     "9223372036854775807}> () y = Pad (c, s)",
     "overflow", ""},
    {"range",
     "a = Constant <value = int64 {0}> () b = Constant <value = int64 {1125899906842624}> () d = Constant "
     "<value = int64 {1}> () y = Range (a, b, d)",
     "memory", ""},
    {"range_without_step",
     "a = Constant <value = int64 {0}> () b = Constant <value = int64 {5}> () d = Constant <value = int64 "
     "{0}> () y = Range (a, b, d)",
     "delta", "delta"},
    {"resize",
     "c = Constant <value = float[1, 1, 1, 2] {1, 2}> () s = Constant <value = int64[4] {1, 1, 1048576, "
     "1048576}> () y = Resize (c, , , s)",
     "memory", ""},
    {"one_hot",
     "i = Constant <value = int64[2] {1, 2}> () d = Constant <value = int64 {1099511627776}> () v = Constant "
     "<value = float[2] {0, 1}> () y = OneHot (i, d, v)",
     "memory", ""},
    {"outer_sum",
     "s = Constant <value = int64[2] {4194304, 1}> () t = Constant <value = int64[2] {1, 4194304}> () a = "
     "ConstantOfShape (s) b = ConstantOfShape (t) y = Add (a, b)",
     "memory", ""},
    {"window", "s = Constant <value = int64 {1099511627776}> () y = HannWindow (s)", "memory", ""},
    {"random", "y = RandomNormal <shape = [274877906944]> ()", "memory", ""},
    {"division_by_zero",
     "a = Constant <value = int64[1] {1}> () b = Constant <value = int64[1] {0}> () y = Div (a, b)",
     "division by zero", ""},
    {"division_overflow",
     "a = Constant <value = int64[1] {-9223372036854775808}> () b = Constant <value = int64[1] {-1}> () y = "
     "Div (a, b)",
     "", ""},
    {"modulo_zero",
     "a = Constant <value = int64[1] {1}> () b = Constant <value = int64[1] {0}> () y = Mod (a, b)", "zero",
     ""},
    {"modulo_overflow",
     "a = Constant <value = int64[1] {-9223372036854775808}> () b = Constant <value = int64[1] {-1}> () y = "
     "Mod (a, b)",
     "", ""},
    {"gather_out_of_range",
     "a = Constant <value = float[1] {1}> () i = Constant <value = int64[1] {7}> () y = Gather (a, i)",
     "index 7", ""},
    {"scatter_out_of_range",
     "a = Constant <value = float[1] {1}> () i = Constant <value = int64[1, 1] {9}> () u = Constant <value = "
     "float[1] {1}> () y = ScatterND (a, i, u)",
     "9", ""},
    {"reshape_to_more",
     "a = Constant <value = float[1] {1}> () s = Constant <value = int64[2] {7, 7}> () y = Reshape (a, s)",
     "7", "7"},
    {"reshape_two_open",
     "a = Constant <value = float[1] {1}> () s = Constant <value = int64[2] {-1, -1}> () y = Reshape (a, s)",
     "-1", "-1"},
    {"axis_out_of_range", "a = Constant <value = float[1] {1}> () y = Concat <axis = 100> (a, a)", "axis 100",
     "axis 100"},
    {"permutation", "a = Constant <value = float[1, 1] {1}> () y = Transpose <perm = [5, -3]> (a)", "perm",
     "perm"},
    {"split_negative",
     "a = Constant <value = float[2] {1, 2}> () s = Constant <value = int64[2] {100, -98}> () y, z = Split "
     "(a, s)",
     "-98", ""},
    {"top_too_many",
     "a = Constant <value = float[2] {1, 2}> () k = Constant <value = int64[1] {1099511627776}> () y, z = "
     "TopK (a, k)",
     "1099511627776", "1099511627776"},
    {"slice_without_step",
     "a = Constant <value = float[2] {1, 2}> () b = Constant <value = int64[1] {0}> () e = Constant <value = "
     "int64[1] {2}> () y = Slice (a, b, e, b, b)",
     "step", "step"},
    {"stride_zero",
     "a = Constant <value = float[1, 1, 1, 2] {1, 2}> () w = Constant <value = float[1, 1, 1, 1] {1}> () y = "
     "Conv <strides = [0, 0]> (a, w)",
     "strides", "strides"},
    {"pool_stride_zero",
     "a = Constant <value = float[1, 1, 1, 2] {1, 2}> () y = AveragePool <kernel_shape = [1, 1], strides = "
     "[0, 0]> (a)",
     "strides", "strides"},
    {"groups_zero",
     "a = Constant <value = float[1, 1, 1, 2] {1, 2}> () w = Constant <value = float[1, 1, 1, 1] {1}> () y = "
     "Conv <group = 0> (a, w)",
     "groups", ""},
    {"kernel_huge",
     "a = Constant <value = float[1, 1, 1, 2] {1, 2}> () y = AveragePool <kernel_shape = "
     "[4611686018427387904, 1], pads = [2305843009213693952, 0, 2305843009213693952, 0]> (a)",
     "pads", "pads"},
    {"block_size_zero",
     "a = Constant <value = float[1, 4, 1, 1] {1, 2, 3, 4}> () y = DepthToSpace <blocksize = 0> (a)",
     "blocksize", "blocksize"},
    {"scale_zero",
     "a = Constant <value = float[2] {1, 2}> () s = Constant <value = float {0}> () q = QuantizeLinear (a, "
     "s) y = DequantizeLinear (q, s)",
     "", ""},
    {"loop_that_stacks",
     "m = Constant <value = int64 {1000000}> () c = Constant <value = float[1] {1}> () s = Constant <value = "
     "int64[1] "
     "{1048576}> () z, y = Loop (m, , c) <body = b (int64 i, bool g, float[1] v) => (bool go, float[1] w, "
     "float[k] e) "
     "{ go = Identity (g) w = Identity (v) e = Expand (v, s) }>",
     "memory", ""},
    {"loop_that_doubles",
     "m = Constant <value = int64 {60}> () c = Constant <value = float[1] {1}> () y = Loop (m, , c) <body = "
     "b (int64 i, bool g, float[k] v) => (bool go, float[j] w) { go = Identity (g) w = Concat <axis = 0> (v, "
     "v) }>",
     "memory", ""},
};

class HostileModel : public testing::TestWithParam<Hostile> {};

TEST_P(HostileModel, IsRefusedOrCarried) {
  const Hostile& h = GetParam();
  const TempDir dir;
  const std::string bytes = serialize_model(parse_model(
      std::string("<ir_version: 9, opset_import: [\"\" : 18]> g (float[n] x) => (float[k] y) { ") + h.body +
      " }"));
  dir.write("m.onnx", bytes);
  const Outcome inspect = run(dir, "onnx-inspect", {"m.onnx"});
  EXPECT_EQ(inspect.code, 0) << inspect.err;
  const Outcome lint = run(dir, "onnx-inspect", {"--lint", "m.onnx"});
  EXPECT_LE(lint.code, 1) << lint.code << lint.err;
  const std::string_view name = h.name;  // of a window no shape is known, a loop's trips are not followed
  if (std::string_view(h.run_says) == "memory" && name != "window" && name != "loop_that_doubles") {
    EXPECT_THAT(lint.out, HasSubstr("size-bomb"));
  }
  expect_little_memory(lint, bytes.size());
  const Outcome diff = run(dir, "onnx-diff", {"m.onnx", "m.onnx"});
  EXPECT_EQ(diff.code, 0) << diff.err;
  expect_little_memory(diff, bytes.size());
  for (const char* passes : {"--passes=O3,quant4,fp16", "--passes=fold,unroll,inline,cse,dce"}) {
    SCOPED_TRACE(passes);
    const Outcome opt = run(dir, "onnx-opt", {"m.onnx", "-o", "out.onnx", "-q", passes});
    expect_little_memory(opt, bytes.size());
    if (*h.opt_says != '\0') {
      expect_refusal(opt, h.opt_says);
      EXPECT_THAT(opt.err, HasSubstr("m.onnx"));
      EXPECT_THAT(dir.list(), ElementsAre("m.onnx"));
    } else {
      EXPECT_EQ(opt.code, 0) << opt.err;
      EXPECT_LT(read_file(dir / "out.onnx").size(), bytes.size() + 4096);
      std::filesystem::remove(dir / "out.onnx");
    }
  }
  const Outcome ran = run(dir, "onnx-run", {"m.onnx", "-o", "out.npz", "--max-memory", "100000000"});
  expect_little_memory(ran, bytes.size());
  if (*h.run_says != '\0') {
    expect_refusal(ran, h.run_says);
    EXPECT_THAT(ran.err, HasSubstr("m.onnx"));
    EXPECT_THAT(dir.list(), ElementsAre("m.onnx"));
  } else {
    EXPECT_TRUE(ran.code == 0 || ran.code == 3) << ran.code << ran.err;
  }
}

INSTANTIATE_TEST_SUITE_P(Cli, HostileModel, testing::ValuesIn(kHostile),
                         [](const auto& info) { return std::string(info.param.name); });

std::string whole(const std::string& graph_and_functions) {
  return serialize_model(
      parse_model("<ir_version: 9, opset_import: [\"\" : 18, \"local\" : 1]> " + graph_and_functions));
}

// f0 calls f1 twice, which calls f2 twice, ...: 2^40 nodes if they were spelled out.
TEST(HostileModelTest, FunctionsThatMultiply) {
  std::string text = "g (float[n] x) => (float[n] y) { y = local.f0 (x) }";
  for (int i = 0; i < 40; ++i)
    text += fmt::format(
        " <domain: \"local\", opset_import: [\"\" : 18, \"local\" : 1]> f{} (a) => (b) {{ t = local.f{} (a) "
        "b "
        "= local.f{} (t) }}",
        i, i + 1, i + 1);
  text += " <domain: \"local\", opset_import: [\"\" : 18]> f40 (a) => (b) { b = Relu (a) }";
  const TempDir dir;
  const std::string bytes = whole(text);
  dir.write("m.onnx", bytes);
  for (const char* passes : {"--passes=O3,quant4,fp16", "--passes=inline"}) {
    const Outcome o = run(dir, "onnx-opt", {"m.onnx", "-o", "out.onnx", "-q", passes});
    EXPECT_TRUE(o.code == 0 || o.code == 3) << o.code << o.err;
    expect_little_memory(o, bytes.size());
  }
  EXPECT_EQ(run(dir, "onnx-inspect", {"m.onnx"}).code, 0);
  const Outcome lint = run(dir, "onnx-inspect", {"--lint", "m.onnx"});
  EXPECT_EQ(lint.code, 1);
  EXPECT_THAT(lint.out, HasSubstr("call-bomb"));
  expect_little_memory(lint, bytes.size());
  const Outcome ran = run(dir, "onnx-run", {"m.onnx"});
  expect_refusal(ran, "more than 10000 bodies");
  expect_little_memory(ran, bytes.size());
}

TEST(HostileModelTest, DoublingStaysSmall) {
  std::string nodes = "c0 = Constant <value = float[1] {1}> () ";
  for (int i = 0; i < 40; ++i) nodes += fmt::format("c{} = Concat <axis = 0> (c{}, c{}) ", i + 1, i, i);
  const TempDir dir;
  const std::string bytes = whole("g (float[n] x) => (float[k] y) { " + nodes + "y = Identity (c40) }");
  dir.write("m.onnx", bytes);
  const Outcome o = run(dir, "onnx-opt", {"m.onnx", "-o", "out.onnx", "-q", "-O3"});
  EXPECT_EQ(o.code, 0) << o.err;
  expect_little_memory(o, bytes.size());
  EXPECT_THAT(run(dir, "onnx-inspect", {"--lint", "m.onnx"}).out, HasSubstr("node 'Concat -> c26'"));
  // The whole model cannot be run to be compared, and says so.
  const Outcome checked = run(dir, "onnx-opt", {"m.onnx", "-o", "other.onnx", "-q", "-O3", "--verify"});
  EXPECT_EQ(checked.code, 1) << checked.err;
  EXPECT_THAT(checked.err, HasSubstr("memory limit"));
  expect_little_memory(checked, bytes.size());
  EXPECT_FALSE(std::filesystem::exists(dir / "other.onnx"));
}

// onnx-run's end of it is in tests/python/test_run.py: a million iterations take their time.
TEST(HostileModelTest, ALoopWithoutEndIsNotFolded) {
  const TempDir dir;
  const std::string bytes = whole(
      "g (float[n] x) => (float[1] y) { t = Constant <value = bool {1}> () c = Constant <value = float[1] "
      "{1}> () y = "
      "Loop (, t, c) <body = b (int64 i, bool g, float[1] v) => (bool go, float[1] w) { go = Identity (g) w "
      "= Add (v, "
      "v) }> }");
  dir.write("m.onnx", bytes);
  const Outcome o = run(dir, "onnx-opt", {"m.onnx", "-o", "out.onnx", "-q", "--passes=O3,unroll"});
  EXPECT_EQ(o.code, 0) << o.err;
  expect_little_memory(o, bytes.size());
}

// What onnxruntime needs minutes for.
TEST(HostileModelTest, ManyNodes) {
  std::string chain, star, sum;
  for (int i = 0; i < 20000; ++i) {
    chain += fmt::format("v{} = Relu ({}) ", i, i == 0 ? "x" : fmt::format("v{}", i - 1));
    star += fmt::format("v{} = Abs (x) ", i);
    sum += fmt::format("{}v{}", i == 0 ? "" : ", ", i);
  }
  for (const std::string& nodes : {chain + "y = Identity (v19999)", star + "y = Sum (" + sum + ")"}) {
    const TempDir dir;
    const std::string bytes = whole("g (float[n] x) => (float[n] y) { " + nodes + " }");
    dir.write("m.onnx", bytes);
    const Outcome o = run(dir, "onnx-opt", {"m.onnx", "-o", "out.onnx", "-q"});
    EXPECT_EQ(o.code, 0) << o.err;
    expect_little_memory(o, bytes.size());
  }
}

// Weights that no step size can describe stay as they are.
TEST(HostileModelTest, WeightsThatAreNoNumbers) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          std::numeric_limits<float>::max(), 1e-42F, 0.0F}) {
    SCOPED_TRACE(bad);
    Model m = parse_model(
        "<ir_version: 9, opset_import: [\"\" : 18]> g (float[n, 64] x, float[64, 64] w) => (float[n, 64] y) "
        "{ y = "
        "MatMul (x, w) }");
    Tensor w = Tensor::make(DType::F32, {64, 64});
    for (int64_t i = 0; i < w.count(); ++i)
      store_double(DType::F32, w.mutable_bytes().data(), i,
                   i % 7 == 0 ? bad : 0.01 * static_cast<double>(i % 50));
    m.set_constant(m.inputs(m.main())[1], std::make_shared<const Tensor>(std::move(w)));
    const TempDir dir;
    dir.write("m.onnx", serialize_model(m));
    const Outcome o = run(dir, "onnx-opt", {"m.onnx", "-o", "out.onnx", "--passes=quant4", "--strict"});
    EXPECT_EQ(o.code, 0) << o.err << o.out;
  }
}

}  // namespace
}  // namespace lathe
