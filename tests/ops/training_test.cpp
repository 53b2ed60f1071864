// Gradient against central differences, the optimizers against their formulas.
#include <functional>

#include "tests/ops/derivative_check.h"

namespace lathe::test {
namespace {

using ::testing::HasSubstr;

TEST(Gradient, Unary) {
  for (const char* type : {"Abs",      "Asinh",     "Atan",       "Ceil",  "Cos",        "Cosh",
                           "Elu",      "Erf",       "Exp",        "Floor", "Gelu",       "HardSigmoid",
                           "Identity", "LeakyRelu", "LogSoftmax", "Neg",   "Reciprocal", "Relu",
                           "Round",    "Selu",      "Sigmoid",    "Sign",  "Sin",        "Sinh",
                           "Softmax",  "Softplus",  "Softsign",   "Tan",   "Tanh",       "ThresholdedRelu"})
    check_derivative({type}, {sample({2, 3})});
  for (const char* type : {"Acos", "Asin", "Atanh"}) check_derivative({type}, {sample({5}, -0.9, 0.9)});
  for (const char* type : {"Log", "Sqrt"}) check_derivative({type}, {sample({5}, 0.2, 3)});
  check_derivative({"Acosh"}, {sample({5}, 1.2, 3)});
  check_derivative({"Gelu", {{"approximate", std::string("tanh")}}}, {sample({5})});
  check_derivative({"Softmax", {{"axis", int64_t{0}}}}, {sample({3, 2})});
  check_derivative({"Clip"}, {sample({7}), f64({}, {-1}), f64({}, {0.5})});
  check_derivative({"Cast", {{"to", static_cast<int64_t>(DType::F64)}}}, {sample({3})});
}

TEST(Gradient, BinaryWithBroadcasting) {
  for (const char* type : {"Add", "Sub", "Mul", "Div", "Max", "Min", "Mean", "Sum"}) {
    check_derivative({type}, {sample({2, 3}), sample({3}, 0.3, 2, 5)}, 2);
    check_derivative({type}, {sample({2, 1}), sample({1, 3}, 0.3, 2, 5)}, 2);
    check_derivative({type}, {sample({}), sample({2, 2}, 0.3, 2, 5)}, 2);
  }
  check_derivative({"Pow"}, {sample({2, 3}, 0.3, 2), sample({3}, -1, 3, 4)}, 2);
  check_derivative({"Pow"}, {sample({4}), f64({}, {2})});
  check_derivative({"Where"}, {boolean({3}, {1, 0, 1}), sample({2, 3}), sample({1}, 0, 1, 3)}, 0);
  Graph g;
  g.constant("c", boolean({3}, {1, 0, 1}));
  g.input("a", f64({3}, {1, 2, 3}));
  g.input("b", f64({}, {4}));
  g.node({"Where"}, {"c", "a", "b"}, {"y"});
  g.gradient({"a", "b"}, {}, "y", {"da", "db"});
  const auto got = g.run({"da", "db"});
  expect_same(got[0], f64({3}, {1, 0, 1}));
  expect_same(got[1], f64({}, {1}));
}

TEST(Gradient, Products) {
  check_derivative({"MatMul"}, {sample({2, 3}), sample({3, 4}, -1, 1, 3)}, 2);
  check_derivative({"MatMul"}, {sample({3}), sample({3}, -1, 1, 3)}, 2);
  check_derivative({"MatMul"}, {sample({3}), sample({2, 3, 2}, -1, 1, 3)}, 2);
  check_derivative({"MatMul"}, {sample({2, 2, 3}), sample({3}, -1, 1, 3)}, 2);
  check_derivative({"MatMul"}, {sample({2, 1, 2, 3}), sample({2, 3, 2}, -1, 1, 3)}, 2);
  for (const int64_t ta : {0, 1})
    for (const int64_t tb : {0, 1})
      check_derivative({"Gemm", {{"transA", ta}, {"transB", tb}, {"alpha", 0.5f}, {"beta", 2.0f}}},
                       {sample(ta != 0 ? Dims{3, 2} : Dims{2, 3}),
                        sample(tb != 0 ? Dims{4, 3} : Dims{3, 4}, -1, 1, 3), sample({4}, -1, 1, 5)},
                       3);
}

TEST(Gradient, Reductions) {
  for (const char* type : {"ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin",
                           "ReduceSum", "ReduceSumSquare"}) {
    check_derivative({type}, {sample({2, 3, 2}), i64({1}, {1})});
    check_derivative({type, {{"keepdims", int64_t{0}}}}, {sample({2, 3, 2}), i64({2}, {-1, 0})});
    check_derivative({type}, {sample({2, 3})});
  }
  check_derivative({"ReduceLogSum"}, {sample({2, 3}, 0.2, 2), i64({1}, {1})});
  check_derivative({"ReduceSum", {{"noop_with_empty_axes", int64_t{1}}}}, {sample({2, 3})});
  check_derivative({"CumSum", {{"exclusive", int64_t{1}}}}, {sample({2, 3}), i64({}, {1})});
}

TEST(Gradient, Movements) {
  check_derivative({"Transpose", {{"perm", std::vector<int64_t>{2, 0, 1}}}}, {sample({2, 3, 2})});
  check_derivative({"Transpose"}, {sample({2, 3})});
  check_derivative({"Reshape"}, {sample({2, 3}), i64({2}, {3, -1})});
  check_derivative({"Flatten"}, {sample({2, 3, 2})});
  check_derivative({"Unsqueeze"}, {sample({2, 3}), i64({1}, {1})});
  check_derivative({"Squeeze"}, {sample({2, 1}), i64({1}, {1})});
  check_derivative({"Expand"}, {sample({2, 1}), i64({3}, {2, 2, 3})});
  check_derivative({"Slice"}, {sample({5, 2}), i64({1}, {4}), i64({1}, {-6}), i64({1}, {0}), i64({1}, {-2})});
  check_derivative({"Gather", {{"axis", int64_t{1}}}}, {sample({2, 3}), i64({2, 2}, {0, 2, 2, -1})});
  check_derivative({"GatherElements"}, {sample({2, 2}), i64({2, 2}, {0, 1, 0, 0})});
  check_derivative({"GatherND"}, {sample({2, 2}), i64({2, 1}, {1, 1})});
  check_derivative({"Tile"}, {sample({2, 2}), i64({2}, {2, 3})});
  check_derivative({"DepthToSpace", {{"blocksize", int64_t{2}}}}, {sample({1, 4, 1, 2})});
  check_derivative({"Split", {{"num_outputs", int64_t{2}}}, 2}, {sample({3, 2})});
  check_derivative({"Concat", {{"axis", int64_t{-1}}}}, {sample({2, 1}), sample({2, 3}, -1, 1, 3)}, 2);
  check_derivative({"Pad"}, {sample({2, 2}), i64({4}, {1, 0, 0, 2})});
  check_derivative({"Dropout"}, {sample({3})});
}

TEST(Gradient, ChainsShareIntermediates) {
  // y = sum(tanh(x w)^2 + tanh(x w)): h is used twice, and its derivative can be asked for as well.
  Graph g;
  g.input("x", sample({2, 3}));
  g.input("w", sample({3, 2}, -1, 1, 3));
  g.node({"MatMul"}, {"x", "w"}, {"p"});
  g.node({"Tanh"}, {"p"}, {"h"});
  g.node({"Mul"}, {"h", "h"}, {"hh"});
  g.node({"Add"}, {"hh", "h"}, {"s"});
  g.node({"ReduceSum", {{"keepdims", int64_t{0}}}}, {"s"}, {"y"});
  g.gradient({"w"}, {"x"}, "y", {"dw"});
  g.gradient({"h"}, {}, "y", {"dh"});
  const auto got = g.run({"dw", "h", "dh", "p"});
  for (int64_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(got[2].as_double(i), 2 * got[1].as_double(i) + 1, 1e-12);
  }
  // dw = x^T (dh (1 - h^2))
  const Tensor x = *g.feeds[0].tensor();
  for (int64_t r = 0; r < 3; ++r)
    for (int64_t c = 0; c < 2; ++c) {
      double want = 0;
      for (int64_t k = 0; k < 2; ++k) {
        const double h = got[1].as_double(k * 2 + c);
        want += x.as_double(k * 3 + r) * (2 * h + 1) * (1 - h * h);
      }
      EXPECT_NEAR(got[0].as_double(r * 2 + c), want, 1e-12);
    }
}

TEST(Gradient, SecondOrder) {
  Graph g;  // y = x^3 z, dy/dx = 3 x^2 z, d2y/dx2 = 6 x z, d2y/dxdz = 3 x^2
  g.input("x", f64({}, {2}));
  g.input("z", f64({}, {5}));
  g.constant("three", f64({}, {3}));
  g.node({"Pow"}, {"x", "three"}, {"cube"});
  g.node({"Mul"}, {"cube", "z"}, {"y"});
  g.gradient({"x"}, {"z"}, "y", {"dx"});
  g.gradient({"x", "z"}, {}, "dx", {"dxx", "dxz"});
  const auto got = g.run({"dx", "dxx", "dxz"});
  expect_close(got[0], f64({}, {60}), 1e-12);
  expect_close(got[1], f64({}, {60}), 1e-12);
  expect_close(got[2], f64({}, {12}), 1e-12);
}

// The inputs say where the derivative is taken, whatever the named values are.
TEST(Gradient, AtAnotherPoint) {
  Graph g;
  g.input("x", f32({}, {2}));
  g.input("other", f32({}, {5}));
  g.input("unused", f32({2}, {1, 1}));
  g.node({"Mul"}, {"x", "x"}, {"y"});
  g.node({"Gradient", {{"xs", Names{"x", "unused"}}, {"y", std::string("y")}}, 2, kTraining},
         {"other", "unused"}, {"dx", "du"});
  const auto got = g.run({"dx", "du"});
  expect_same(got[0], f32({}, {10}));
  expect_same(got[1], f32({2}, {0, 0}));
  expect_close(g.run({"dx"}, {.precise = true})[0], f64({}, {10}));
}

TEST(Gradient, SaysWhatItCannotDo) {
  const auto fault = [](const Op& op, const Names& xs, const std::string& y = "y") {
    Graph g;
    g.input("x", sample({2, 2}));
    g.input("z", sample({2, 2}));
    g.input("i", i64({1}, {1}));
    g.node({"Mul"}, {"x", "z"}, {"p"});
    g.node(op, {"p"}, {"y"});
    Names out;
    for (const std::string& x : xs) out.push_back("d" + x);
    g.gradient(xs, {}, y, out);
    return g.fault(out);
  };
  EXPECT_THAT(fault({"Det"}, {"x", "z"}),
              HasSubstr("no derivative is known of Det (node 'the_Det', makes 'y')"));
  EXPECT_THAT(fault({"Tanh"}, {"x"}), HasSubstr("y depends on 'z', which is neither in xs nor in zs"));
  EXPECT_THAT(fault({"Tanh"}, {"x", "z"}, "q"), HasSubstr("no value 'q'"));
  EXPECT_THAT(fault({"Tanh"}, {"i"}), HasSubstr("'i' in xs is not a float"));
  EXPECT_THAT(fault({"Tanh"}, {"x", "x"}), HasSubstr("named twice"));
  Graph g;
  g.input("x", sample({2}));
  g.node({"Tanh"}, {"x"}, {"y"});
  g.node({"Gradient", {{"xs", Names{"x"}}, {"zs", Names{"y"}}, {"y", std::string("y")}}, 1, kTraining}, {"x"},
         {"dx"});
  EXPECT_THAT(g.fault({"dx"}), HasSubstr("1 inputs for 1 names in xs and 1 in zs"));
}

TEST(Optimizers, Formulas) {
  const auto step = [](const char* type, std::vector<std::pair<std::string, AttrValue>> attrs, size_t outputs,
                       const std::vector<Tensor>& in) {
    std::vector<double> out;
    for (const Tensor& t : run({type, std::move(attrs), outputs, kTraining}, in))
      out.push_back(t.as_double(0));
    return out;
  };
  using ::testing::DoubleNear;
  using ::testing::ElementsAre;
  const Tensor r = f32({}, {0.5}), t = i64({}, {2}), x = f64({1}, {3}), g = f64({1}, {1}), v = f64({1}, {2}),
               h = f64({1}, {4});
  // g' = 0.1 * 3 + 1 = 1.3; rate = 0.5 / (1 + 2 * 0.25); h' = 4 + 1.69
  EXPECT_THAT(step("Adagrad", {{"norm_coefficient", 0.1f}, {"decay_factor", 0.25f}, {"epsilon", 0.0f}}, 2,
                   {r, t, x, g, h}),
              ElementsAre(DoubleNear(3 - 0.5 / 1.5 * 1.3 / std::sqrt(5.69), 1e-6), DoubleNear(5.69, 1e-6)));
  EXPECT_THAT(
      step("Momentum",
           {{"norm_coefficient", 0.0f}, {"alpha", 0.5f}, {"beta", 0.25f}, {"mode", std::string("standard")}},
           2, {r, t, x, g, v}),
      ElementsAre(DoubleNear(3 - 0.5 * 1.25, 1e-12), DoubleNear(1.25, 1e-12)));
  EXPECT_THAT(
      step("Momentum",
           {{"norm_coefficient", 0.0f}, {"alpha", 0.5f}, {"beta", 0.25f}, {"mode", std::string("nesterov")}},
           2, {r, i64({}, {0}), x, g, v}),
      ElementsAre(DoubleNear(3 - 0.5 * (1 + 0.5 * 2), 1e-12), DoubleNear(2, 1e-12)));
  // v' = 0.5 * 2 + 0.5; h' = 0.75 * 4 + 0.25; rate = 0.5 sqrt(1 - 0.75^2) / (1 - 0.5^2)
  EXPECT_THAT(step("Adam", {{"alpha", 0.5f}, {"beta", 0.75f}, {"epsilon", 0.0f}}, 3, {r, t, x, g, v, h}),
              ElementsAre(DoubleNear(3 - 0.5 * std::sqrt(0.4375) / 0.75 * 1.5 / std::sqrt(3.25), 1e-6),
                          DoubleNear(1.5, 1e-12), DoubleNear(3.25, 1e-12)));
  // Two tensors of different shapes and types in one node.
  const auto both =
      run({"Momentum",
           {{"norm_coefficient", 0.0f}, {"alpha", 0.0f}, {"beta", 1.0f}, {"mode", std::string("standard")}},
           4,
           kTraining},
          {r, t, x, f32({2}, {1, 2}), g, f32({2}, {2, 4}), v, f32({2}, {0, 0})});
  expect_same(both[0], f64({1}, {2.5}));
  expect_same(both[1], f32({2}, {0, 0}));
}

TEST(Optimizers, BadInput) {
  const Tensor r = f32({}, {0.5}), t = i64({}, {2}), x = f32({2}, {3, 3});
  EXPECT_THAT(error_of({"Adagrad", {}, 2, kTraining}, {r, t, x, x}),
              HasSubstr("4 inputs are not R, T and 3 for each tensor"));
  EXPECT_THAT(error_of({"Adagrad", {}, 2, kTraining}, {r, t, x, x, f32({3}, {1, 2, 3})}),
              HasSubstr("not of X's shape"));
  EXPECT_THAT(error_of({"Adam", {}, 3, kTraining}, {r, r, x, x, x, x}), HasSubstr("int64"));
  EXPECT_THAT(error_of({"Momentum", {{"mode", std::string("fast")}}, 2, kTraining}, {r, t, x, x, x}),
              HasSubstr("mode 'fast'"));
}

}  // namespace
}  // namespace lathe::test
