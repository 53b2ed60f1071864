// Derivatives of convolutions, pools, normalizations, Einsum and what goes through function bodies, against
// central differences in double.
#include "ir/base/rng.h"
#include "ir/ops/convert.h"
#include "tests/ops/derivative_check.h"

namespace lathe::test {
namespace {

using ::testing::HasSubstr;
using AttrItems = std::vector<std::pair<std::string, AttrValue>>;

Dims repeated(size_t n, int64_t v) { return Dims(n, v); }

// A window of random attributes that meets inputs of 4 to 6 elements a dim.
AttrItems random_window(Rng& rng, size_t rank, const Dims& kernel, bool pads_below_kernel) {
  AttrItems a;
  Dims strides, dilations, pads(2 * rank);
  for (size_t d = 0; d < rank; ++d) {
    strides.push_back(1 + rng.integer(0, 2));
    dilations.push_back(1 + rng.integer(0, kernel[d] == 1 ? 0 : 1));
  }
  const int64_t most = pads_below_kernel ? 1 : 2;
  for (size_t d = 0; d < 2 * rank; ++d) pads[d] = rng.integer(0, std::min(most, kernel[d % rank] - 1));
  a.emplace_back("strides", strides);
  a.emplace_back("dilations", dilations);
  switch (rng.integer(0, 3)) {
    case 0:
      a.emplace_back("auto_pad", std::string("SAME_UPPER"));
      break;
    case 1:
      a.emplace_back("auto_pad", std::string("SAME_LOWER"));
      break;
    default:
      a.emplace_back("pads", pads);
  }
  return a;
}

Dims random_dims(Rng& rng, Dims front, size_t rank, int64_t low, int64_t span) {
  for (size_t d = 0; d < rank; ++d) front.push_back(low + rng.integer(0, span - 1));
  return front;
}

TEST(Derivatives, Conv) {
  Rng rng(1);
  for (int round = 0; round < 15; ++round) {
    const size_t rank = 1 + static_cast<size_t>(round % 3);
    const int64_t group = 1 + rng.integer(0, 1);
    const int64_t low = rank == 3 ? 3 : 5;
    const Dims x = random_dims(rng, {1 + round % 2, 2 * group}, rank, low, 2);
    const Dims w = random_dims(rng, {group * (1 + round / 3 % 2), 2}, rank, 1, rank == 3 ? 2 : 3);
    AttrItems a = random_window(rng, rank, Dims(w.begin() + 2, w.end()), false);
    a.emplace_back("group", group);
    check_derivative({"Conv", a}, {sample(x), sample(w, -1, 1, 3), sample({w[0]}, -1, 1, 5)}, 3);
    if (HasFailure()) FAIL() << "round " << round;
  }
}

TEST(Derivatives, ConvTranspose) {
  Rng rng(2);
  for (int round = 0; round < 15; ++round) {
    const size_t rank = 1 + static_cast<size_t>(round % 3);
    const int64_t group = 1 + rng.integer(0, 1);
    const Dims x = random_dims(rng, {1 + round % 2, group}, rank, 2, 2);
    const Dims w = random_dims(rng, {group, 2}, rank, 1, rank == 3 ? 2 : 3);
    AttrItems a = random_window(rng, rank, Dims(w.begin() + 2, w.end()), true);
    a.emplace_back("group", group);
    if (round % 4 == 1) a.emplace_back("output_padding", repeated(rank, 1));
    if (round % 8 == 3) {
      Dims wanted;
      for (size_t d = 0; d < rank; ++d) wanted.push_back(x[d + 2] + 3);
      a.emplace_back("output_shape", wanted);
    }
    check_derivative({"ConvTranspose", a}, {sample(x), sample(w, -1, 1, 3), sample({2 * group}, -1, 1, 5)},
                     3);
    if (HasFailure()) FAIL() << "round " << round;
  }
}

TEST(Derivatives, Pools) {
  Rng rng(3);
  for (int round = 0; round < 15; ++round) {
    const size_t rank = 1 + static_cast<size_t>(round % 3);
    const Dims x = random_dims(rng, {1, 2}, rank, rank == 3 ? 3 : 5, 2);
    const Dims kernel = random_dims(rng, {}, rank, 1, rank == 3 ? 2 : 3);
    AttrItems a = random_window(rng, rank, kernel, true);
    a.emplace_back("kernel_shape", kernel);
    a.emplace_back("ceil_mode", rng.integer(0, 1));
    check_derivative({"MaxPool", a}, {sample(x)});
    AttrItems lp = a;
    lp.emplace_back("p", static_cast<int64_t>(1 + round % 3));
    check_derivative({"LpPool", lp}, {sample(x, 0.3, 2)});
    a.emplace_back("count_include_pad", rng.integer(0, 1));
    check_derivative({"AveragePool", a}, {sample(x)});
    if (HasFailure()) FAIL() << "round " << round;
  }
  for (const char* type : {"GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"}) {
    check_derivative({type}, {sample({2, 2, 3})});
    check_derivative({type}, {sample({1, 2, 2, 2})});
  }
  check_derivative({"MaxPool", {{"kernel_shape", Dims{2, 2}}, {"storage_order", int64_t{1}}}},
                   {sample({1, 1, 4, 3})});
}

TEST(Derivatives, Normalizations) {
  const Tensor x = sample({2, 4, 3});
  for (const int64_t axis : {-1, 1, 0}) {
    const Dims tail(x.dims.begin() + (axis < 0 ? 2 : axis), x.dims.end());
    const Tensor scale = sample(tail, 0.5, 1.5, 3), shift = sample(tail, -1, 1, 5);
    const AttrItems a = {{"axis", axis}, {"epsilon", 0.1F}};
    check_derivative({"LayerNormalization", a, 3}, {x, scale, shift}, 3);
    check_derivative({"LayerNormalization", a}, {x, scale}, 2);
    check_derivative({"RMSNormalization", a}, {x, scale}, 2);
  }
  const Tensor scale = sample({4}, 0.5, 1.5, 3), shift = sample({4}, -1, 1, 5);
  for (const int64_t groups : {1, 2, 4})
    check_derivative({"GroupNormalization", {{"num_groups", groups}}}, {x, scale, shift}, 3);
  check_derivative({"InstanceNormalization", {{"epsilon", 0.01F}}}, {x, scale, shift}, 3);
  const Tensor mean = sample({4}, -1, 1, 7), variance = sample({4}, 0.5, 2, 9);
  check_derivative({"BatchNormalization"}, {x, scale, shift, mean, variance}, 5);
  check_derivative({"BatchNormalization", {{"training_mode", int64_t{1}}, {"momentum", 0.7F}}, 3},
                   {x, scale, shift, mean, variance}, 5);
  check_derivative({"LpNormalization", {{"axis", int64_t{1}}}}, {x});
  check_derivative({"LpNormalization", {{"p", int64_t{1}}}}, {x});
  for (const int64_t size : {1, 2, 3, 9})
    check_derivative({"LRN", {{"size", size}, {"alpha", 0.5F}, {"bias", 0.8F}}}, {x});
  check_derivative({"MeanVarianceNormalization", {{"axes", Dims{0, 2}}}}, {x});
}

TEST(Derivatives, Einsum) {
  const auto check = [](const char* equation, const std::vector<Tensor>& in) {
    const size_t n = in.size();
    check_derivative({"Einsum", {{"equation", std::string(equation)}}}, in, n);
  };
  check("ij,jk->ik", {sample({2, 3}), sample({3, 2}, -1, 1, 3)});
  check("bij , bkj -> bik", {sample({2, 2, 3}), sample({2, 2, 3}, -1, 1, 3)});
  check("ij->", {sample({2, 3})});
  check("ij->j", {sample({2, 3})});
  check("ii->i", {sample({3, 3})});
  check("ii", {sample({3, 3})});
  check("iij,j->i", {sample({2, 2, 3}), sample({3}, -1, 1, 3)});
  check("...ij,...jk->...ik", {sample({2, 2, 3}), sample({3, 2}, -1, 1, 3)});
  check("i...,i...", {sample({2, 3, 1}), sample({2, 2}, -1, 1, 3)});
  check("i,j,k->kij", {sample({2}), sample({3}, -1, 1, 3), sample({2}, -1, 1, 5)});
  check("ij,kl->i", {sample({2, 3}), sample({2, 2}, -1, 1, 3)});
}

TEST(Derivatives, Movements) {
  for (const char* mode : {"constant", "edge", "reflect", "wrap"})
    check_derivative({"Pad", {{"mode", std::string(mode)}}}, {sample({3, 4}), i64({4}, {1, 0, 2, 2})});
  check_derivative({"Pad"}, {sample({3, 4}), i64({4}, {1, -1, 0, -2})});
  check_derivative({"Pad"}, {sample({3, 4}), i64({2}, {1, -1}), Tensor(), i64({1}, {1})});
  check_derivative({"ScatterND"}, {sample({4, 2}), i64({2, 1}, {3, 0}), sample({2, 2}, -1, 1, 3)});
  Graph g;  // by the padding value, and by what is scattered
  g.input("x", sample({2}));
  g.constant("pads", i64({2}, {2, 1}));
  g.input("v", f64({}, {5}));
  g.node({"Pad"}, {"x", "pads", "v"}, {"p"});
  g.constant("at", i64({2, 1}, {1, 4}));
  g.input("u", f64({2}, {1, 2}));
  g.node({"ScatterND"}, {"p", "at", "u"}, {"s"});
  g.node({"ScatterND", {{"reduction", std::string("add")}}}, {"s", "at", "u"}, {"y"});
  g.gradient({"x", "v", "u"}, {}, "y", {"dx", "dv", "du"});
  const auto got = g.run({"dx", "dv", "du"});
  expect_same(got[0], f64({2}, {1, 1}));
  expect_same(got[1], f64({}, {1}));  // of three padded places two are written over
  expect_same(got[2], f64({2}, {2, 2}));
  check_derivative({"TopK", {{"axis", int64_t{0}}}, 1}, {sample({4, 2}), i64({1}, {2})});
  check_derivative({"Trilu", {{"upper", int64_t{0}}}}, {sample({3, 3}), i64({}, {1})});
  check_derivative({"Compress", {{"axis", int64_t{1}}}}, {sample({2, 3}), boolean({3}, {1, 0, 1})});
  check_derivative({"ReverseSequence"}, {sample({3, 2}), i64({2}, {3, 2})});
}

TEST(Derivatives, Activations) {
  for (const char* type : {"Celu", "HardSwish", "Mish", "Shrink", "Swish"})
    check_derivative({type}, {sample({7}, -4, 4)});
  check_derivative({"Celu", {{"alpha", 0.5F}}}, {sample({5})});
  check_derivative({"Swish", {{"alpha", 0.5F}}}, {sample({5})});
  check_derivative({"PRelu"}, {sample({2, 3}), sample({3}, 0.1, 0.5, 3)}, 2);
}

// Ops without a derivative of their own go through the function body of their schema.
TEST(Derivatives, FunctionBodies) {
  const Tensor scores = sample({3, 4}), labels = i64({3}, {1, 3, 0}), weights = sample({4}, 0.5, 1.5, 3);
  for (const char* reduction : {"none", "sum", "mean"}) {
    const AttrItems a = {{"reduction", std::string(reduction)}};
    check_derivative({"SoftmaxCrossEntropyLoss", a}, {scores, labels, weights});
    check_derivative({"NegativeLogLikelihoodLoss", a}, {scores, labels});
  }
}

// Derivatives are ops too: of the derivative of a convolution, its second.
TEST(Derivatives, SecondOrder) {
  Graph g;
  g.input("x", sample({1, 1, 4}));
  g.input("w", sample({1, 1, 2}, -1, 1, 3));
  g.node({"Conv"}, {"x", "w"}, {"c"});
  g.node({"Mul"}, {"c", "c"}, {"y"});
  g.gradient({"w"}, {"x"}, "y", {"dw"});  // 2 sum c x
  g.gradient({"w"}, {"x"}, "dw", {"dww"});
  const auto got = g.run({"dww"});
  const Tensor x = sample({1, 1, 4});
  for (int64_t k = 0; k < 2; ++k) {
    double want = 0;  // 2 sum over taps j and positions o of x[o + j] x[o + k]
    for (int64_t j = 0; j < 2; ++j)
      for (int64_t o = 0; o < 3; ++o) want += 2 * x.as_double(o + j) * x.as_double(o + k);
    EXPECT_NEAR(got[0].as_double(k), want, 1e-12);
  }
}

// Halves: the normalization is differentiated in float, the result has the type of the input.
TEST(Derivatives, OfHalves) {
  Graph g;
  g.input("x", convert(sample({2, 4}), DType::F16));
  g.constant("s", Tensor::full(DType::F16, {4}, 1));
  g.node({"LayerNormalization"}, {"x", "s"}, {"n"});
  g.node({"Mul"}, {"n", "n"}, {"m"});
  g.node({"Mul"}, {"m", "n"}, {"y"});
  g.gradient({"x"}, {}, "y", {"dx"});
  const Tensor got = g.run({"dx"})[0], exact = g.run({"dx"}, {.precise = true})[0];
  ASSERT_EQ(got.dtype, DType::F16);
  for (int64_t i = 0; i < 8; ++i) EXPECT_NEAR(got.as_double(i), exact.as_double(i), 2e-2);
}

TEST(Derivatives, RefusedByName) {
  const auto fault = [](const Op& op) {
    Graph g;
    g.input("x", sample({1, 2, 4, 4}));
    g.constant("grid", sample({1, 2, 2, 2}, -0.9, 0.9, 3));
    g.node(op, op.type == "Det" ? Names{"x"} : Names{"x", "grid"}, {"y"});
    g.gradient({"x"}, {}, "y", {"dx"});
    return g.fault({"dx"});
  };
  EXPECT_THAT(fault({"GridSample"}),
              HasSubstr("no derivative is known of GridSample (node 'the_GridSample'"));
  EXPECT_THAT(fault({"Det"}), HasSubstr("no derivative is known of Det"));
}

}  // namespace
}  // namespace lathe::test
