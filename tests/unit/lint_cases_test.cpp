// Each lint that a model in text can call forth: where it must speak, and the nearest where it must be
// silent.
#include <ostream>

#include "tests/support/lints.h"

namespace lathe::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

struct LintCase {
  const char *id, *yes, *place, *says, *no;
  const char* target = "ort-cpu";
};

void PrintTo(const LintCase& c, std::ostream* out) { *out << c.id; }

class LintCases : public testing::TestWithParam<LintCase> {};

TEST_P(LintCases, SpeaksWhereItMustAndNowhereElse) {
  const LintCase& c = GetParam();
  const auto found = lint_text(c.id, c.yes, c.target);
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0].place, c.place);
  EXPECT_THAT(found[0].text, HasSubstr(c.says));
  const auto none = lint_text(c.id, c.no, c.target);
  EXPECT_THAT(none, IsEmpty()) << none[0].place << ": " << none[0].text;
}

const LintCase kCases[] = {
    // security
    {"size-bomb", R"(g (float[2] x) => (float[?, ?] y) <int64[2] big = {100000, 100000}> {
       [bomb] c = ConstantOfShape (big)
       y = Add (c, x) })",
     "bomb", "MB of constants from 16 bytes", R"(g (float[2] x) => (float[?, ?] y) <int64[2] big = {100, 2}> {
       c = ConstantOfShape (big)
       y = Add (c, x) })"},
    {"call-bomb", R"(<ir_version: 10, opset_import: ["" : 21, "local" : 1]>
       g (float[2] x) => (float[2] y) { y = local.f0 (x) }
       <domain: "local", opset_import: ["" : 21, "local" : 1]> f0 (x) => (y) {
         a = local.f1 (x) b = local.f1 (a) c = local.f1 (b) d = local.f1 (c) e = local.f1 (d) f = local.f1 (e)
         g = local.f1 (f) h = local.f1 (g) i = local.f1 (h) y = local.f1 (i) }
       <domain: "local", opset_import: ["" : 21, "local" : 1]> f1 (x) => (y) {
         a = local.f2 (x) b = local.f2 (a) c = local.f2 (b) d = local.f2 (c) e = local.f2 (d) f = local.f2 (e)
         g = local.f2 (f) h = local.f2 (g) i = local.f2 (h) y = local.f2 (i) }
       <domain: "local", opset_import: ["" : 21, "local" : 1]> f2 (x) => (y) {
         a = local.f3 (x) b = local.f3 (a) c = local.f3 (b) d = local.f3 (c) e = local.f3 (d) f = local.f3 (e)
         g = local.f3 (f) h = local.f3 (g) i = local.f3 (h) y = local.f3 (i) }
       <domain: "local", opset_import: ["" : 21, "local" : 1]> f3 (x) => (y) {
         a = local.f4 (x) b = local.f4 (a) c = local.f4 (b) d = local.f4 (c) e = local.f4 (d) f = local.f4 (e)
         g = local.f4 (f) h = local.f4 (g) i = local.f4 (h) y = local.f4 (i) }
       <domain: "local", opset_import: ["" : 21, "local" : 1]> f4 (x) => (y) {
         a = local.f5 (x) b = local.f5 (a) c = local.f5 (b) d = local.f5 (c) e = local.f5 (d) f = local.f5 (e)
         g = local.f5 (f) h = local.f5 (g) i = local.f5 (h) y = local.f5 (i) }
       <domain: "local", opset_import: ["" : 21]> f5 (x) => (y) {
         a = Relu (x) b = Relu (a) c = Relu (b) d = Relu (c) e = Relu (d) f = Relu (e)
         g = Relu (f) h = Relu (g) i = Relu (h) y = Relu (i) })",
     "", "become 1000000 once", R"(<ir_version: 10, opset_import: ["" : 21, "local" : 1]>
       g (float[2] x) => (float[2] y) { a = local.f (x) y = local.f (a) }
       <domain: "local", opset_import: ["" : 21]> f (x) => (y) { y = Relu (x) })"},
    {"endless-loop", R"(g (float[2] x) => (float[2] y) {
       yes = Constant <value = bool {1}> ()
       [spin] y = Loop <body = b (int64 i, bool go, float[2] v) => (bool go_on, float[2] w) {
         go_on = Identity (go)
         w = Relu (v) }> (, yes, x) })",
     "spin", "no trip count", R"(g (float[2] x) => (float[2] y) {
       n = Constant <value = int64 {5}> ()
       yes = Constant <value = bool {1}> ()
       y = Loop <body = b (int64 i, bool go, float[2] v) => (bool go_on, float[2] w) {
         go_on = Identity (go)
         w = Relu (v) }> (n, yes, x) })"},
    {"integer-trap", "g (int64[2] x) => (int64[2] y) <int64 zero = {0}> { [trap] y = Div (x, zero) }", "trap",
     "Div by a constant zero", "g (float[2] x) => (float[2] y) <float zero = {0}> { y = Div (x, zero) }"},
    {"integer-trap", R"(g (float[1, 1, 4, 4] x) => (float[1, 1, ?, ?] y) {
       [still] y = MaxPool <kernel_shape = [2, 2], strides = [0, 1]> (x) })",
     "still", "strides that are not positive", R"(g (float[1, 1, 4, 4] x) => (float[1, 1, ?, ?] y) {
       y = MaxPool <kernel_shape = [2, 2], strides = [2, 1]> (x) })"},
    // structure
    {"dead-node", "g (float[2] x) => (float[2] y) { y = Relu (x) [lost] z = Neg (y) }", "lost", "no output",
     "g (float[2] x) => (float[2] y) { z = Relu (x) y = Neg (z) }"},
    {"unused-input", "g (float[2] x, float[2] spare) => (float[2] y) { y = Relu (x) }", "spare",
     "nothing reads", "g (float[2] x) => (float[2] y) { y = Relu (x) }"},
    {"unused-output", R"(g (float[1, 1, 4, 4] x) => (float[1, 1, 2, 2] y) {
       [pool] y, where = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (x) })",
     "pool", "optional output Indices", R"(g (float[4] x) => (float[2] y) <int64[1] k = {2}> {
       y, where = TopK (x, k) })"},
    {"training-mode", R"(g (float[2] x) => (float[2] y) <float ratio = {0.5}, bool mode = {1}> {
       [drop] y = Dropout (x, ratio, mode) })",
     "drop", "active", R"(g (float[2] x) => (float[2] y) <float ratio = {0.5}, bool mode = {0}> {
       y = Dropout (x, ratio, mode) })"},
    {"unseeded-random", "g () => (float[2] y) { [dice] y = RandomNormal <shape = [2]> () }", "dice",
     "new numbers", "g () => (float[2] y) { y = RandomNormal <shape = [2], seed = 1.0> () }"},
    {"missing-names", "g (float[2] x) => (float[2] y) { y = Relu (x) }", "", "1 of 1 nodes have no name",
     "g (float[2] x) => (float[2] y) { [named] y = Relu (x) }"},
    {"duplicate-names", "g (float[2] x) => (float[2] y) { [a] t = Relu (x) [a] y = Neg (t) }", "a", "2 nodes",
     "g (float[2] x) => (float[2] y) { [a] t = Relu (x) [b] y = Neg (t) }"},
    // interface
    {"contradiction",
     R"(g (float[2, 3] x, float[4, 5] w) => (float[2, 5] y) { [product] y = MatMul (x, w) })", "",
     "'product'", "g (float[2, 4] x, float[4, 5] w) => (float[2, 5] y) { y = MatMul (x, w) }"},
    {"wrong-shape", "g (float[n, 2] x) => (float[3, 2] y) { y = Relu (x) }", "y",
     "declared 3 and computed as n", "g (float[n, 2] x) => (float[n, 2] y) { y = Relu (x) }"},
    {"anonymous-axis", "g (float[?, 2] x) => (float[?, 2] y) { y = Relu (x) }", "x", "axis 0",
     "g (float[n, 2] x) => (float[n, 2] y) { y = Relu (x) }"},
    {"undeclared-shape", "g (float[n, 2] x) => (float[n, Relu_dim_1] y) { y = Relu (x) }", "y",
     "it is float[n, 2]", "g (float[n, 2] x) => (float[n, 2] y) { y = Relu (x) }"},
    {"undeclared-shape", "g (float[n, 2] x) => (float[?, ?] y) { y = Relu (x) }", "y", "it is float[n, 2]",
     "g (float[n, 2] x) => (float[n, 2] y) { y = Relu (x) }"},
    // target
    {"newer-than-runtime", R"(<ir_version: 10, opset_import: ["" : 27]>
       g (float[2] x) => (float[2] y) { y = Relu (x) })",
     "", "opset 27",
     R"(<ir_version: 10, opset_import: ["" : 21]> g (float[2] x) => (float[2] y) { y = Relu (x) })"},
    {"no-kernel", R"(<ir_version: 10, opset_import: ["" : 21, "mine" : 1]>
       g (float[2] x) => (float[2] y) { [odd] y = mine.Frobnicate (x) })",
     "odd", "no kernel for Frobnicate", R"(<ir_version: 10, opset_import: ["" : 21, "mine" : 1]>
       g (float[2] x) => (float[2] y) { y = mine.F (x) }
       <domain: "mine", opset_import: ["" : 21]> F (x) => (y) { y = Relu (x) })"},
    {"no-kernel", R"(<ir_version: 10, opset_import: ["" : 21]>
       g (double[2] x) => (double[2] y) { [wide] y = Erf (x) })",
     "wide", "for double at input 0 (but float)",
     R"(<ir_version: 10, opset_import: ["" : 21]> g (float[2] x) => (float[2] y) { y = Erf (x) })"},
    {"no-kernel", R"(<ir_version: 10, opset_import: ["" : 21]>
       g (float[2] x) => (float[2] y) { [slow] y = Acos (x) })",
     "slow", "runs on the CPU",
     R"(<ir_version: 10, opset_import: ["" : 21]> g (float[2] x) => (float[2] y) { y = Cos (x) })",
     "ort-cuda"},
    {"no-kernel", R"(<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
       g (float[2] x) => (float[2] y) { [own] y = com.microsoft.Gelu (x) })",
     "own", "com.microsoft", R"(<ir_version: 10, opset_import: ["" : 21]>
       g (float[2] x) => (float[2] y) { y = Gelu (x) })",
     "standard"},
    // weights
    {"weight-nan", "g (float[2] x) => (float[2] y) <float[2] w = {nan, 1}> { y = Add (x, w) }", "w",
     "1 of 2 elements", "g (float[2] x) => (float[2] y) <float[2] w = {0, 1}> { y = Add (x, w) }"},
    {"weight-infinite", "g (float[2] x) => (float[2] y) <float[2] w = {inf, 1}> { y = Add (x, w) }", "w",
     "1 of 2 elements", "g (float[2] x) => (float[2] y) <float[2] w = {3e38, 1}> { y = Add (x, w) }"},
    {"weight-denormal", "g (float[2] x) => (float[2] y) <float[2] w = {1e-40, 1}> { y = Add (x, w) }", "w",
     "1 of 2 elements", "g (float[2] x) => (float[2] y) <float[2] w = {0, 1.2e-38}> { y = Add (x, w) }"},
    {"beyond-float16", "g (float[2] x) => (float[2] y) <float[2] w = {-70000, 1}> { y = Add (x, w) }", "w",
     "7e+04", "g (float[2] x) => (float[2] y) <float[2] w = {65504, 1}> { y = Add (x, w) }"},
    // types
    {"float64-island", R"(g (float[n, 8] x) => (float[n, 8] y) <double half = {0.5}> {
       wide = Cast <to = 11> (x)
       [slow] scaled = Mul (wide, half)
       y = Cast <to = 1> (scaled) })",
     "slow", "1 node in float64", R"(g (float[n, 8] x) => (float[n, 8] y) <double half = {0.5}> {
       h = Cast <to = 1> (half)
       y = Mul (x, h) })"},
    {"cast-round-trip", R"(g (int64[n, 8] x) => (int64[8, n] y) {
       wide = Cast <to = 11> (x)
       t = Transpose <perm = [1, 0]> (wide)
       [back] y = Cast <to = 7> (t) })",
     "back", "made it double, which loses digits", R"(g (int64[n, 8] x) => (float[8, n] y) {
       wide = Cast <to = 11> (x)
       t = Transpose <perm = [1, 0]> (wide)
       y = Cast <to = 1> (t) })"},
    {"int64-arithmetic", R"(g (int64[n] x) => (bool[n, n] y) <int64[2] column = {-1, 1}> {
       c = Reshape (x, column)
       d = Sub (c, x)
       [heavy] e = Abs (d)
       y = Less (e, x) })",
     "Sub -> d", "Sub of int64 [n, n]",
     R"(g (int64[n] x) => (int64[n] y) <int64 two = {2}> { y = Mul (x, two) })"},
    // quantization
    {"bad-scale", R"(g (float[2] x) => (uint8[2] y) <float s = {0}, uint8 z = {0}> {
       [q] y = QuantizeLinear (x, s, z) })",
     "q", "are zero", R"(g (float[2] x) => (uint8[2] y) <float s = {0.1}, uint8 z = {0}> {
       y = QuantizeLinear (x, s, z) })"},
    {"u8s8-saturation", R"(g (uint8[n, 4] x) => (int32[n, 1] y) <int8[4, 1] w = {100, 100, 1, 1}> {
       [sum] y = MatMulInteger (x, w) })",
     "sum", "50% of the pairs", R"(g (uint8[n, 4] x) => (int32[n, 1] y) <int8[4, 1] w = {64, 64, -64, -64}> {
       y = MatMulInteger (x, w) })"},
    {"u8s8-saturation", R"(g (uint8[n, 4] x) => (float[n, 1] y)
       <int8[1, 4] w = {1, 1, -127, -127}, float s = {0.1}, uint8 xz = {0}, int8 wz = {0}, float[1] none = {0}> {
       a = DequantizeLinear (x, s, xz)
       b = DequantizeLinear (w, s, wz)
       [gemm] y = Gemm <transB = 1> (a, b, none) })",
     "gemm", "50% of the pairs", R"(g (uint8[n, 4] x) => (float[n, 1] y)
       <int8[1, 4] w = {1, 127, -127, 1}, float s = {0.1}, uint8 xz = {0}, int8 wz = {0}, float[1] none = {0}> {
       a = DequantizeLinear (x, s, xz)
       b = DequantizeLinear (w, s, wz)
       y = Gemm <transB = 1> (a, b, none) })"},
    // speed
    {"redundant-nodes", "g (float[2] x) => (float[2] y) { [same] t = Identity (x) y = Relu (t) }", "same",
     "identity applies", "g (float[2] x) => (float[2] y) { y = Relu (x) }"},
    {"slow-kernel", R"(g (float[n, 16] x, uint8[2, 1, 16] w, float[2] s) => (float[n, 2] y) {
       [eight] y = com.microsoft.MatMulNBits <K = 16, N = 2, bits = 8, block_size = 16> (x, w, s) })",
     "eight", "8 bits without accuracy_level 4",
     R"(g (float[n, 16] x, uint8[2, 1, 16] w, float[2] s) => (float[n, 2] y) {
       y = com.microsoft.MatMulNBits <K = 16, N = 2, bits = 8, block_size = 16, accuracy_level = 4> (x, w, s) })"},
    {"slow-kernel", R"(g (float[n, 16] x, uint8[2, 1, 4] w, float[2] s) => (float[n, 2] y) {
       [two] y = com.microsoft.MatMulNBits <K = 16, N = 2, bits = 2, block_size = 16> (x, w, s) })",
     "two", "2 bits take", R"(g (float[n, 16] x, uint8[2, 1, 8] w, float[2] s) => (float[n, 2] y) {
       y = com.microsoft.MatMulNBits <K = 16, N = 2, bits = 4, block_size = 16> (x, w, s) })"},
};

INSTANTIATE_TEST_SUITE_P(Lint, LintCases, testing::ValuesIn(kCases), [](const auto& info) {
  std::string name = std::to_string(info.index) + "_" + info.param.id;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace lathe::test
