#include "tests/ops/op_test.h"

namespace lathe::test {
namespace {

using ::testing::HasSubstr;
using Ints = std::vector<int64_t>;

Tensor iota(std::vector<int64_t> dims, float start = 0) {
  Tensor t = Tensor::uninitialized(DType::F32, std::move(dims));
  for (float& v : t.mutable_data<float>()) v = start++;
  return t;
}

TEST(MatMul, ShapesOfNumpy) {
  expect_same(run1({"MatMul"}, {f32({2, 2}, {1, 2, 3, 4}), f32({2, 1}, {1, 1})}), f32({2, 1}, {3, 7}));
  expect_same(run1({"MatMul"}, {f32({2}, {1, 2}), f32({2}, {3, 4})}), f32({}, {11}));
  expect_same(run1({"MatMul"}, {f32({2}, {1, 2}), f32({2, 2}, {1, 2, 3, 4})}), f32({2}, {7, 10}));
  expect_same(run1({"MatMul"}, {f32({2, 1, 2}, {1, 2, 3, 4}), f32({2, 1}, {1, 10})}),
              f32({2, 1, 1}, {21, 43}));
  expect_same(run1({"MatMul"}, {f32({1, 2}, {1, 2}), f32({2, 2, 1}, {1, 2, 3, 4})}), f32({2, 1, 1}, {5, 11}));
  expect_same(run1({"MatMul"}, {f32({2, 0}, {}), f32({0, 2}, {})}), f32({2, 2}, {0, 0, 0, 0}));
  expect_same(run1({"MatMul"}, {i32({1, 2}, {1 << 30, 1 << 30}), i32({2, 1}, {2, 2})}), i32({1, 1}, {0}));
  expect_same(run1({"MatMul"}, {of(DType::F16, {1, 3}, {2048, 1, 1}), of(DType::F16, {3, 1}, {1, 1, 1})}),
              of(DType::F16, {1, 1}, {2050}));
  EXPECT_THAT(error_of({"MatMul"}, {f32({1, 2}, {1, 2}), f32({3, 1}, {1, 2, 3})}),
              HasSubstr("inner sizes 2 and 3"));
  EXPECT_THAT(error_of({"MatMul"}, {f32({}, {1}), f32({1}, {1})}), HasSubstr("scalar"));
}

// Tiles and threads must not show: each row and column alone gives the same bits as all together.
TEST(MatMul, LargeEqualsItsParts) {
  Tensor a = iota({300, 70}), b = iota({70, 260});
  for (float& v : a.mutable_data<float>()) v = std::sin(v);
  for (float& v : b.mutable_data<float>()) v = std::cos(v);
  const Tensor c = run1({"MatMul"}, {a, b});
  for (const int64_t i : {0, 255, 256, 299})
    for (const int64_t j : {0, 127, 128, 259}) {
      double want = 0;
      for (int64_t k = 0; k < 70; ++k) want += a.as_double(i * 70 + k) * b.as_double(k * 260 + j);
      EXPECT_NEAR(c.as_double(i * 260 + j), want, 1e-4);
    }
}

TEST(Gemm, TransposesScalesAndBias) {
  const Tensor a = f32({2, 3}, {1, 2, 3, 4, 5, 6}), b = f32({2, 3}, {1, 0, 1, 0, 1, 0});
  expect_same(run1({"Gemm", {{"transB", int64_t{1}}}}, {a, b}), f32({2, 2}, {4, 2, 10, 5}));
  expect_same(
      run1({"Gemm", {{"transA", int64_t{1}}, {"alpha", 2.0f}, {"beta", 0.5f}}}, {a, b, f32({3}, {2, 4, 6})}),
      f32({3, 3}, {3, 10, 5, 5, 12, 7, 7, 14, 9}));
  expect_same(run1({"Gemm", {{"transB", int64_t{1}}}}, {a, b, f32({2, 1}, {100, 200})}),
              f32({2, 2}, {104, 102, 210, 205}));
  EXPECT_THAT(error_of({"Gemm"}, {a, b}), HasSubstr("inner sizes"));
  EXPECT_THAT(error_of({"Gemm", {{"transB", int64_t{1}}}}, {a, b, f32({3}, {1, 2, 3})}),
              HasSubstr("broadcast"));
}

TEST(Softmax, RowsAndAxes) {
  expect_close(run1({"Softmax"}, {f32({2, 2}, {0, 0, 1000, 0})}), f32({2, 2}, {0.5, 0.5, 1, 0}));
  expect_close(run1({"Softmax", {{"axis", int64_t{0}}}}, {f32({2, 2}, {0, 0, 0, std::log(3.0f)})}),
               f32({2, 2}, {0.5, 0.25, 0.5, 0.75}), 1e-6);
  expect_close(run1({"LogSoftmax"}, {f32({1, 2}, {0, 0})}), f32({1, 2}, {-0.6931472f, -0.6931472f}), 1e-6);
  expect_same(run1({"Hardmax"}, {f32({1, 3}, {1, 3, 3})}), f32({1, 3}, {0, 1, 0}));
  expect_close(run1({"Softmax"}, {f32({1, 2}, {-kInf, -kInf})}), f32({1, 2}, {kNaN, kNaN}));
  EXPECT_THAT(error_of({"Softmax", {{"axis", int64_t{2}}}}, {f32({1, 2}, {1, 2})}), HasSubstr("axis 2"));
}

TEST(LayerNorm, StatisticsAndBroadcast) {
  const Tensor x = f32({2, 2}, {1, 3, 10, 10});
  const auto y = run({"LayerNormalization", {{"epsilon", 0.0f}}, 3}, {x, f32({2}, {1, 2}), f32({2}, {0, 1})});
  expect_close(y[0], f32({2, 2}, {-1, 3, kNaN, kNaN}));
  expect_close(y[1], f32({2, 1}, {2, 10}));
  expect_close(y[2], f32({2, 1}, {1, kInf}));
  expect_close(run1({"LayerNormalization", {{"axis", int64_t{0}}, {"epsilon", 0.0f}}},
                    {f32({2, 1}, {0, 2}), f32({}, {2})}),
               f32({2, 1}, {-2, 2}));
  expect_close(run1({"RMSNormalization", {{"epsilon", 0.0f}}}, {f32({1, 2}, {3, 4}), f32({2}, {1, 1})}),
               f32({1, 2}, {0.8485281f, 1.1313708f}), 1e-6);
}

TEST(BatchNorm, InferenceAndGroups) {
  const Tensor x = f32({1, 2, 2}, {1, 2, 3, 4});
  const Tensor one = f32({2}, {1, 1}), zero = f32({2}, {0, 0});
  expect_close(run1({"BatchNormalization", {{"epsilon", 0.0f}}},
                    {x, f32({2}, {2, 1}), f32({2}, {0, 1}), f32({2}, {1, 3}), f32({2}, {1, 4})}),
               f32({1, 2, 2}, {0, 2, 1, 1.5}));
  expect_close(run1({"InstanceNormalization", {{"epsilon", 0.0f}}}, {x, one, zero}),
               f32({1, 2, 2}, {-1, 1, -1, 1}));
  expect_close(run1({"GroupNormalization", {{"num_groups", int64_t{1}}, {"epsilon", 0.0f}}}, {x, one, zero}),
               f32({1, 2, 2}, {-1.3416408f, -0.4472136f, 0.4472136f, 1.3416408f}), 1e-6);
  EXPECT_THAT(error_of({"GroupNormalization", {{"num_groups", int64_t{3}}}}, {x, one, zero}),
              HasSubstr("3 groups"));
  EXPECT_THAT(error_of({"BatchNormalization"}, {x, f32({1}, {1}), one, one, one}), HasSubstr("2 channels"));
}

TEST(Conv, PlainPaddedStridedDilated) {
  const Tensor x = iota({1, 1, 3, 3}), k = f32({1, 1, 2, 2}, {1, 1, 1, 1});
  expect_same(run1({"Conv"}, {x, k}), f32({1, 1, 2, 2}, {8, 12, 20, 24}));
  expect_same(run1({"Conv", {{"pads", Ints{1, 1, 0, 0}}}}, {x, k, f32({1}, {100})}),
              f32({1, 1, 3, 3}, {100, 101, 103, 103, 108, 112, 109, 120, 124}));
  expect_same(run1({"Conv", {{"strides", Ints{2, 2}}, {"auto_pad", std::string("SAME_UPPER")}}}, {x, k}),
              f32({1, 1, 2, 2}, {8, 7, 13, 8}));
  expect_same(run1({"Conv", {{"dilations", Ints{2, 2}}}}, {x, k}), f32({1, 1, 1, 1}, {16}));
  EXPECT_THAT(error_of({"Conv"}, {x, iota({1, 1, 4, 4})}), HasSubstr("reaches over 4"));
  EXPECT_THAT(error_of({"Conv", {{"strides", Ints{0, 1}}}}, {x, k}), HasSubstr("strides has the value 0"));
  EXPECT_THAT(error_of({"Conv"}, {x, iota({1, 2, 2, 2})}), HasSubstr("channels"));
}

TEST(Conv, GroupsDepthwiseOneAndThreeDims) {
  // Two channels, each with its own kernel.
  expect_same(run1({"Conv", {{"group", int64_t{2}}, {"pads", Ints{1, 1}}}},
                   {iota({1, 2, 3}, 1), f32({2, 1, 3}, {1, 1, 1, 0, 2, 0})}),
              f32({1, 2, 3}, {3, 6, 5, 8, 10, 12}));
  expect_same(run1({"Conv", {{"group", int64_t{2}}}}, {iota({1, 4, 1}, 1), f32({2, 2, 1}, {1, 1, 1, -1})}),
              f32({1, 2, 1}, {3, -1}));
  expect_same(run1({"Conv", {{"group", int64_t{2}}, {"strides", Ints{2}}}},
                   {iota({1, 2, 4}), f32({2, 1, 2}, {1, 1, 1, -1})}),
              f32({1, 2, 2}, {1, 5, -1, -1}));
  expect_same(run1({"Conv"}, {iota({1, 1, 2, 2, 2}), Tensor::full(DType::F32, {1, 1, 2, 2, 2}, 1)}),
              f32({1, 1, 1, 1, 1}, {28}));
  expect_same(
      run1({"Conv"}, {Tensor::full(DType::F16, {1, 1, 3}, 1), Tensor::full(DType::F16, {1, 1, 2}, 2)}),
      of(DType::F16, {1, 1, 2}, {4, 4}));
}

TEST(ConvTranspose, StridesPadsAndGroups) {
  const Tensor x = f32({1, 1, 2}, {1, 2}), k = f32({1, 1, 3}, {1, 10, 100});
  expect_same(run1({"ConvTranspose"}, {x, k}), f32({1, 1, 4}, {1, 12, 120, 200}));
  expect_same(
      run1({"ConvTranspose", {{"strides", Ints{2}}, {"output_padding", Ints{1}}}}, {x, k, f32({1}, {1000})}),
      f32({1, 1, 6}, {1001, 1010, 1102, 1020, 1200, 1000}));
  expect_same(run1({"ConvTranspose", {{"pads", Ints{1, 1}}}}, {x, k}), f32({1, 1, 2}, {12, 120}));
  expect_same(run1({"ConvTranspose", {{"group", int64_t{2}}}},
                   {f32({1, 2, 1}, {1, 2}), f32({2, 1, 2}, {1, 2, 3, 4})}),
              f32({1, 2, 2}, {1, 2, 6, 8}));
  EXPECT_THAT(error_of({"ConvTranspose"}, {x, f32({2, 1, 1}, {1, 2})}), HasSubstr("channels"));
}

TEST(Dropout, PassesOnUnlessTraining) {
  const Tensor x = Tensor::full(DType::F32, {10000}, 1);
  const auto still = run({"Dropout", {}, 2}, {x, f32({}, {0.5})});
  expect_same(still[0], x);
  expect_same(still[1], Tensor::full(DType::Bool, {10000}, 1));
  const auto y = run({"Dropout", {{"seed", int64_t{7}}}, 2}, {x, f32({}, {0.75}), boolean({}, {1})});
  int64_t kept = 0;
  for (int64_t i = 0; i < 10000; ++i) {
    EXPECT_EQ(y[0].as_double(i), y[1].as_i64(i) != 0 ? 4 : 0);
    kept += y[1].as_i64(i);
  }
  EXPECT_NEAR(static_cast<double>(kept), 2500, 200);
  EXPECT_THAT(error_of({"Dropout"}, {x, f32({}, {1})}), HasSubstr("ratio"));
}

TEST(Pool, MaxWithIndicesAndCeil) {
  const Tensor x = iota({1, 1, 3, 3});
  const auto y =
      run({"MaxPool", {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}, {"ceil_mode", int64_t{1}}}, 2},
          {x});
  expect_same(y[0], f32({1, 1, 2, 2}, {4, 5, 7, 8}));
  expect_same(y[1], i64({1, 1, 2, 2}, {4, 5, 7, 8}));
  const auto c = run({"MaxPool", {{"kernel_shape", Ints{2, 2}}, {"storage_order", int64_t{1}}}, 2}, {x});
  expect_same(c[1], i64({1, 1, 2, 2}, {4, 7, 5, 8}));
  expect_same(
      run1({"MaxPool", {{"kernel_shape", Ints{2}}, {"dilations", Ints{2}}}}, {f32({1, 1, 4}, {4, 1, 2, 3})}),
      f32({1, 1, 2}, {4, 3}));
  EXPECT_THAT(error_of({"MaxPool"}, {x}), HasSubstr("kernel_shape is missing"));
}

TEST(Pool, AverageCountsOnlyWhatItShould) {
  const Tensor x = f32({1, 1, 3}, {3, 6, 9});
  const auto pool = [&](int64_t include, int64_t ceil) {
    return run1({"AveragePool",
                 {{"kernel_shape", Ints{2}},
                  {"strides", Ints{2}},
                  {"pads", Ints{1, 0}},
                  {"count_include_pad", include},
                  {"ceil_mode", ceil}}},
                {x});
  };
  expect_same(pool(0, 0), f32({1, 1, 2}, {3, 7.5}));
  expect_same(pool(1, 0), f32({1, 1, 2}, {1.5, 7.5}));
  // The third window hangs over the end: only elements and declared padding count.
  const Tensor w = f32({1, 1, 4}, {3, 6, 9, 12});
  expect_same(run1({"AveragePool",
                    {{"kernel_shape", Ints{3}},
                     {"strides", Ints{2}},
                     {"count_include_pad", int64_t{1}},
                     {"ceil_mode", int64_t{1}}}},
                   {w}),
              f32({1, 1, 2}, {6, 10.5}));
  expect_same(run1({"GlobalAveragePool"}, {iota({1, 2, 2})}), f32({1, 2, 1}, {0.5, 2.5}));
  expect_same(run1({"GlobalMaxPool"}, {iota({1, 2, 2})}), f32({1, 2, 1}, {1, 3}));
  expect_close(run1({"LpPool", {{"kernel_shape", Ints{2}}}}, {f32({1, 1, 2}, {3, 4})}), f32({1, 1, 1}, {5}));
}

TEST(Activations, Values) {
  expect_close(run1({"Gelu"}, {f32({3}, {-1, 0, 2})}), f32({3}, {-0.15865526f, 0, 1.9544997f}), 1e-6);
  expect_close(run1({"Gelu", {{"approximate", std::string("tanh")}}}, {f32({2}, {-1, 2})}),
               f32({2}, {-0.15880801f, 1.9545977f}), 1e-6);
  expect_close(run1({"LeakyRelu", {{"alpha", 0.5f}}}, {f32({2}, {-2, 2})}), f32({2}, {-1, 2}));
  expect_close(run1({"HardSigmoid"}, {f32({3}, {-10, 0, 10})}), f32({3}, {0, 0.5, 1}));
  expect_close(run1({"HardSwish"}, {f32({3}, {-4, 1, 4})}), f32({3}, {0, 0.6666667f, 4}), 1e-6);
  expect_close(run1({"Clip"}, {f32({3}, {-5, 5, kNaN}), f32({}, {-1}), f32({}, {1})}),
               f32({3}, {-1, 1, kNaN}));
  expect_same(run1({"Clip"}, {i64({2}, {-5, 5}), Tensor(), i64({}, {1})}), i64({2}, {-5, 1}));
  expect_same(run1({"Clip"}, {f32({1}, {0}), f32({}, {2}), f32({}, {1})}), f32({1}, {1}));
}

TEST(Attention, MasksAndHeads) {
  const Tensor q = f32({1, 1, 2, 1}, {0, 0}), v = f32({1, 1, 2, 1}, {1, 3});
  expect_close(run1({"Attention"}, {q, q, v}), f32({1, 1, 2, 1}, {2, 2}));
  expect_close(run1({"Attention", {{"is_causal", int64_t{1}}}}, {q, q, v}), f32({1, 1, 2, 1}, {1, 2}));
  expect_close(run1({"Attention"}, {q, q, v, boolean({1, 2}, {0, 1})}), f32({1, 1, 2, 1}, {3, 3}));
  expect_close(run1({"Attention"}, {q, q, v, boolean({1, 2}, {0, 0})}), f32({1, 1, 2, 1}, {0, 0}));
  // Two query heads share one key head; rank 3.
  const Op grouped{"Attention", {{"q_num_heads", int64_t{2}}, {"kv_num_heads", int64_t{1}}}};
  expect_close(run1(grouped, {f32({1, 1, 2}, {0, 0}), f32({1, 2, 1}, {1, 2}), f32({1, 2, 1}, {1, 3})}),
               f32({1, 1, 2}, {2, 2}));
  const auto cached = run({"Attention", {{"is_causal", int64_t{1}}}, 3},
                          {f32({1, 1, 1, 1}, {0}), f32({1, 1, 1, 1}, {5}), f32({1, 1, 1, 1}, {6}), Tensor(),
                           f32({1, 1, 1, 1}, {7}), f32({1, 1, 1, 1}, {8})});
  expect_close(cached[0], f32({1, 1, 1, 1}, {7}));
  expect_same(cached[1], f32({1, 1, 2, 1}, {7, 5}));
  expect_same(cached[2], f32({1, 1, 2, 1}, {8, 6}));
}

TEST(RotaryEmbedding, HalvesAndPairs) {
  const Tensor x = f32({1, 1, 1, 4}, {1, 2, 3, 4}), cos = f32({2, 2}, {1, 1, 0, 0}),
               sin = f32({2, 2}, {0, 0, 1, 1});
  expect_same(run1({"RotaryEmbedding"}, {x, cos, sin, i64({1, 1}, {1})}), f32({1, 1, 1, 4}, {-3, -4, 1, 2}));
  expect_same(run1({"RotaryEmbedding", {{"interleaved", int64_t{1}}}}, {x, cos, sin, i64({1, 1}, {1})}),
              f32({1, 1, 1, 4}, {-2, 1, -4, 3}));
  EXPECT_THAT(error_of({"RotaryEmbedding"}, {x, cos, sin, i64({1, 1}, {2})}),
              HasSubstr("index 2 is out of range"));
}

TEST(Detection, NonMaxSuppression) {
  const Tensor boxes = f32({1, 3, 4}, {0, 0, 1, 1, 0, 0.1f, 1, 1.1f, 0, 10, 1, 11}),
               scores = f32({1, 1, 3}, {0.9f, 0.75f, 0.6f});
  expect_same(run1({"NonMaxSuppression"}, {boxes, scores, i64({}, {3}), f32({}, {0.5f})}),
              i64({2, 3}, {0, 0, 0, 0, 0, 2}));
  expect_same(run1({"NonMaxSuppression"}, {boxes, scores, i64({}, {3}), f32({}, {0.5f}), f32({}, {0.7f})}),
              i64({1, 3}, {0, 0, 0}));
  expect_same(run1({"NonMaxSuppression"}, {boxes, scores}), i64({0, 3}, {}));
}

}  // namespace
}  // namespace lathe::test
