// Sampling and placing pixels: GridSample, DeformConv, Col2Im, MaxUnpool, MaxRoiPool, Resize; attention
// recurrences.
#include "tests/ops/op_test.h"

namespace lathe::test {
namespace {

Tensor vec(std::vector<int64_t> v) { return Tensor::of_i64(std::move(v)); }
using Attributes = std::vector<std::pair<std::string, AttrValue>>;

Tensor sample(const Tensor& x, std::vector<float> points, Attributes attrs) {
  const auto n = static_cast<int64_t>(points.size() / 2);
  return run1({"GridSample", std::move(attrs)}, {x, f32({1, 1, n, 2}, std::move(points))});
}

TEST(GridSample, ModesAndPadding) {
  const Tensor x = f32({1, 1, 2, 2}, {1, 2, 3, 4});
  const std::pair<std::string, AttrValue> aligned{"align_corners", int64_t{1}},
      nearest{"mode", std::string("nearest")};
  expect_close(sample(x, {-1, -1, 1, 1, 0, 0, 1, -1}, {aligned}), f32({1, 1, 1, 4}, {1, 4, 2.5f, 2}));
  expect_close(sample(x, {0, 0, -1, -1}, {}),
               f32({1, 1, 1, 2}, {2.5f, 0.25f}));  // a corner is a quarter inside
  expect_close(sample(x, {-3, -3, 3, 0}, {{"padding_mode", std::string("border")}}),
               f32({1, 1, 1, 2}, {1, 3}));
  expect_close(sample(x, {3, -1, -3, -1}, {aligned, {"padding_mode", std::string("reflection")}}),
               f32({1, 1, 1, 2}, {1, 2}));
  expect_same(sample(x, {0.9f, -0.9f, -5, 0}, {nearest}), f32({1, 1, 1, 2}, {2, 0}));
  expect_close(sample(x, {-1, -1, 1, 1}, {aligned, {"mode", std::string("cubic")}}),
               f32({1, 1, 1, 2}, {1, 4}));
}

TEST(GridSample, StrangeCoordinatesAndTypes) {
  const Tensor x = f32({1, 1, 1, 2}, {1, 2});
  for (const char* padding : {"zeros", "border", "reflection"})
    for (const char* mode : {"nearest", "linear", "cubic"}) {
      const Tensor y = sample(x, {kNaN, kInf, -kInf, kNaN, 1e30f, -1e30f},
                              {{"padding_mode", std::string(padding)}, {"mode", std::string(mode)}});
      EXPECT_EQ(y.count(), 3);
    }
  const Tensor words = Tensor::of_strings({1, 1, 1, 2}, {"a", "b"});
  const Tensor y = sample(words, {-1, 0, 1, 0},
                          {{"mode", std::string("nearest")}, {"padding_mode", std::string("border")}});
  EXPECT_THAT(y.strings(), ::testing::ElementsAre("a", "b"));
  EXPECT_NE(error_of({"GridSample"}, {x, f32({1, 1, 1, 3}, {0, 0, 0})}), "");
  EXPECT_NE(error_of({"GridSample"}, {f32({1, 1, 0, 2}, {}), f32({1, 1, 1, 2}, {0, 0})}), "");
}

TEST(DeformConv, MovedTaps) {
  const Tensor x = f32({1, 1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9}), w = f32({1, 1, 1, 1}, {2});
  Tensor offset = Tensor::make(DType::F32, {1, 2, 3, 3});
  expect_close(run1({"DeformConv"}, {x, w, offset}), f32({1, 1, 3, 3}, {2, 4, 6, 8, 10, 12, 14, 16, 18}));
  offset.mutable_data<float>()[0] = 0.5f;   // half a row down
  offset.mutable_data<float>()[17] = 1.0f;  // out of the image to the right
  offset.mutable_data<float>()[8] = kNaN;
  const Tensor mask = Tensor::full(DType::F32, {1, 1, 3, 3}, 0.5);
  expect_close(run1({"DeformConv"}, {x, w, offset, f32({1}, {1}), mask}),
               f32({1, 1, 3, 3}, {3.5f, 3, 4, 5, 6, 7, 8, 9, 1}));
  EXPECT_NE(error_of({"DeformConv"}, {x, w, f32({1, 1, 3, 3}, std::vector<float>(9))}), "");
  EXPECT_NE(error_of({"DeformConv", {{"offset_group", int64_t{2}}}}, {x, w, offset}), "");
}

TEST(Col2Im, OverlapsAdd) {
  const Tensor x = f32({1, 2, 3}, {1, 2, 3, 10, 20, 30});
  expect_same(run1({"Col2Im"}, {x, vec({4}), vec({2})}), f32({1, 1, 4}, {1, 12, 23, 30}));
  EXPECT_NE(error_of({"Col2Im"}, {x, vec({5}), vec({2})}), "");
  EXPECT_NE(error_of({"Col2Im"}, {x, vec({4}), vec({0})}), "");
  EXPECT_NE(error_of({"Col2Im"}, {x, vec({int64_t{1} << 62}), vec({2})}), "");
}

TEST(MaxUnpool, IndicesCountInThePooledTensor) {
  const Attributes two = {{"kernel_shape", std::vector<int64_t>{2}}, {"strides", std::vector<int64_t>{2}}};
  const Tensor x = f32({1, 1, 2}, {5, 7});
  expect_same(run1({"MaxUnpool", two}, {x, i64({1, 1, 2}, {1, 2})}), f32({1, 1, 4}, {0, 5, 7, 0}));
  expect_same(run1({"MaxUnpool", two}, {x, i64({1, 1, 2}, {0, 3}), vec({1, 1, 5})}),
              f32({1, 1, 5}, {5, 0, 0, 7, 0}));
  EXPECT_NE(error_of({"MaxUnpool", two}, {x, i64({1, 1, 2}, {0, 4})}), "");
  EXPECT_NE(error_of({"MaxUnpool", two}, {x, i64({1, 1, 2}, {-1, 3})}), "");
  EXPECT_NE(error_of({"MaxUnpool", two}, {x, i64({1, 1, 2}, {0, 3}), vec({1, 1, 3})}), "");
}

TEST(MaxRoiPool, BinsOfARegion) {
  const Tensor x = f32({1, 1, 2, 3}, {1, 2, 3, 4, 5, 6});
  const Attributes one = {{"pooled_shape", std::vector<int64_t>{1, 1}}};
  expect_same(run1({"MaxRoiPool", one}, {x, f32({2, 5}, {0, 0, 0, 1, 0, 0, 1, 0, 2, 1})}),
              f32({2, 1, 1, 1}, {2, 6}));
  expect_same(run1({"MaxRoiPool", one}, {x, f32({1, 5}, {0, 9, 9, 12, 12})}), f32({1, 1, 1, 1}, {0}));
  EXPECT_NE(error_of({"MaxRoiPool", one}, {x, f32({1, 5}, {1, 0, 0, 1, 1})}), "");
  EXPECT_NE(error_of({"MaxRoiPool", one}, {x, f32({1, 5}, {0, kNaN, 0, 1, 1})}), "");
}

TEST(LinearAttention, RulesOfTwoSteps) {
  const Attributes heads = {{"q_num_heads", int64_t{1}}, {"kv_num_heads", int64_t{1}}, {"scale", 1.0f}};
  const auto with = [&](const char* rule) {
    Attributes a = heads;
    a.emplace_back("update_rule", std::string(rule));
    return Op{"LinearAttention", a, 2};
  };
  const Tensor q = f32({1, 2, 1}, {1, 1}), k = f32({1, 2, 1}, {1, 2}), v = f32({1, 2, 1}, {3, 5}), none;
  auto y = run(with("linear"), {q, k, v});
  expect_close(y[0], f32({1, 2, 1}, {3, 13}));
  expect_close(y[1], f32({1, 1, 1, 1}, {13}));
  const Tensor half = f32({1, 2, 1}, {0, std::log(0.5f)}), rate = f32({1, 2, 1}, {1, 0.5f});
  expect_close(run(with("gated"), {q, k, v, none, half})[0], f32({1, 2, 1}, {3, 11.5f}));
  // delta: v - S k = 5 - 3 * 2 = -1, half of it times k: -1.
  expect_close(run(with("delta"), {q, k, v, none, none, rate})[0], f32({1, 2, 1}, {3, 2}));
  expect_close(run(with("linear"), {q, k, v, f32({1, 1, 1, 1}, {100})})[0], f32({1, 2, 1}, {103, 113}));
  EXPECT_NE(error_of(with("delta"), {q, k, v}), "");
  EXPECT_NE(error_of(with("linear"), {q, k, v, none, half}), "");
  EXPECT_NE(error_of(with("some"), {q, k, v}), "");
  EXPECT_NE(error_of(with("linear"), {q, f32({1, 2, 2}, {1, 2, 3, 4}), v}), "");
}

TEST(CausalConvWithState, StateGoesBefore) {
  const Tensor x = f32({1, 1, 3}, {1, 2, 3}), w = f32({1, 1, 2}, {10, 1});
  const Op op{"CausalConvWithState", {}, 2};
  auto y = run(op, {x, w});
  expect_close(y[0], f32({1, 1, 3}, {1, 12, 23}));
  expect_close(y[1], f32({1, 1, 1}, {3}));
  expect_close(run(op, {x, w, f32({1}, {100}), f32({1, 1, 1}, {5})})[0], f32({1, 1, 3}, {151, 112, 123}));
  EXPECT_EQ(run(op, {f32({1, 1, 0}, {}), w})[1].dims, (std::vector<int64_t>{1, 1, 1}));
  EXPECT_NE(error_of(op, {x, f32({1, 1, 0}, {})}), "");
  EXPECT_NE(error_of(op, {x, w, f32({2}, {1, 2})}), "");
}

TEST(Random, DrawsDependOnTheSeedAlone) {
  const Attributes shape = {{"shape", std::vector<int64_t>{1000}}, {"seed", 7.0f}};
  const Tensor a = run1({"RandomNormal", shape}, {}), b = run1({"RandomNormal", shape}, {});
  expect_same(a, b);
  double sum = 0, squares = 0;
  for (const double v : a.to_doubles()) {
    sum += v;
    squares += v * v;
  }
  EXPECT_NEAR(sum / 1000, 0, 0.16);
  EXPECT_NEAR(squares / 1000, 1, 0.25);
  for (const double v : run1({"RandomUniform",
                              {{"shape", std::vector<int64_t>{500}},
                               {"low", -2.0f},
                               {"high", -1.0f},
                               {"dtype", static_cast<int64_t>(DType::BF16)}}},
                             {})
                            .to_doubles())
    EXPECT_TRUE(v >= -2 && v < -1);
  EXPECT_NE(error_of({"RandomUniform", {{"shape", std::vector<int64_t>{-1}}}}, {}), "");
  EXPECT_NE(error_of({"RandomUniform", {{"shape", std::vector<int64_t>{1}}, {"low", kNaN}}}, {}), "");
}

TEST(Multinomial, FollowsLogProbabilities) {
  const Tensor y =
      run1({"Multinomial", {{"sample_size", int64_t{1000}}}}, {f32({2, 2}, {0, -kInf, 0, std::log(3.0f)})});
  int64_t first = 0, second = 0;
  for (int64_t i = 0; i < 1000; ++i) {
    first += y.as_i64(i);
    second += y.as_i64(1000 + i);
  }
  EXPECT_EQ(first, 0);
  EXPECT_NEAR(static_cast<double>(second), 750, 70);
  EXPECT_NE(error_of({"Multinomial"}, {f32({1, 0}, {})}), "");
  EXPECT_NE(error_of({"Multinomial"}, {f32({1, 1}, {kNaN})}), "");
}

TEST(Packed, SixBitFloatsKeepTheirBits) {
  for (const DType t : {DType::F6E2M3, DType::F6E3M2}) {
    const Tensor x = of(t, {5}, {0.5, -1.5, 3, -7, 0});
    EXPECT_EQ(x.byte_size(), 4u);
    EXPECT_EQ(x.to_doubles(), (std::vector<double>{0.5, -1.5, 3, -7, 0}));
    const Tensor y = run1({"Cast", {{"to", static_cast<int64_t>(DType::F32)}}}, {x});
    expect_same(y, f32({5}, {0.5f, -1.5f, 3, -7, 0}));
    expect_same(run1({"Cast", {{"to", static_cast<int64_t>(t)}}}, {y}), x);
    expect_same(run1({"Gather"}, {x, vec({3, 1})}), of(t, {2}, {-7, -1.5}));
  }
  expect_same(run1({"Cast", {{"to", static_cast<int64_t>(DType::F6E2M3)}}}, {f32({2}, {100, -kInf})}),
              of(DType::F6E2M3, {2}, {7.5, -7.5}));
}

}  // namespace
}  // namespace lathe::test
