// com.microsoft ops on bytes: small cases by hand, type rules (op_test.h runs them), what is refused.
#include "tests/ops/op_test.h"

namespace lathe::test {
namespace {

using ::testing::HasSubstr;
constexpr const char* kMs = "com.microsoft";
using Pairs = std::vector<std::pair<std::string, AttrValue>>;

Op ms(std::string type, Pairs attrs = {}, size_t outputs = 1) {
  return {std::move(type), std::move(attrs), outputs, kMs};
}
Tensor u8(std::vector<int64_t> dims, std::vector<double> v) {
  return of(DType::U8, std::move(dims), std::move(v));
}
Tensor i8(std::vector<int64_t> dims, std::vector<double> v) {
  return of(DType::I8, std::move(dims), std::move(v));
}
Tensor lone(float v) { return f32({}, {v}); }

TEST(QLinear, ElementByElement) {
  const Tensor a = u8({2, 1}, {12, 20}), b = u8({2}, {5, 9});
  // (12 - 10) * 0.5 = 1, 5; (5 - 5) * 0.25 = 0, 1; sums 1, 2, 5, 6 in halves, from 100.
  expect_same(run1(ms("QLinearAdd"),
                   {a, lone(0.5f), u8({}, {10}), b, lone(0.25f), u8({}, {5}), lone(0.5f), u8({}, {100})}),
              u8({2, 2}, {102, 104, 110, 112}));
  expect_same(run1(ms("QLinearMul"), {a, lone(0.5f), u8({}, {10}), b, lone(0.25f), u8({}, {5}), lone(0.5f)}),
              u8({2, 2}, {0, 2, 0, 10}));
  expect_same(run1(ms("QLinearLeakyRelu", {{"alpha", 0.5f}}),
                   {i8({3}, {-4, 0, 4}), lone(1), i8({}, {0}), lone(1), i8({}, {1})}),
              i8({3}, {-1, 1, 5}));
  expect_same(run1(ms("QLinearAdd"), {i8({1}, {127}), lone(1), {}, i8({1}, {127}), lone(1), {}, lone(1)}),
              i8({1}, {127}));
  EXPECT_THAT(error_of(ms("QLinearAdd"), {a, f32({2}, {1, 1}), {}, b, lone(1), {}, lone(1)}),
              HasSubstr("2 scales"));
  EXPECT_THAT(error_of(ms("QLinearAdd"), {a, lone(1), i8({}, {0}), b, lone(1), {}, lone(1)}),
              HasSubstr("zero point of type"));
  EXPECT_THAT(
      error_of(ms("QLinearAdd"), {u8({2}, {1, 2}), lone(1), {}, u8({3}, {1, 2, 3}), lone(1), {}, lone(1)}),
      HasSubstr("broadcast"));
}

TEST(QLinear, PoolsAndConcat) {
  const Tensor x = u8({1, 2, 2, 2}, {1, 10, 3, 20, 5, 30, 7, 40});
  expect_same(run1(ms("QLinearGlobalAveragePool", {{"channels_last", int64_t{1}}}),
                   {x, lone(1), u8({}, {0}), lone(1), u8({}, {0})}),
              u8({1, 1, 1, 2}, {4, 25}));
  expect_same(run1(ms("QLinearAveragePool", {{"kernel_shape", std::vector<int64_t>{1, 2}}}),
                   {x, lone(2), u8({}, {1}), lone(1), u8({}, {3})}),
              u8({1, 2, 2, 1}, {12, 24, 36, 48}));  // mean, less 1, twice, plus 3; halves to even
  expect_same(run1(ms("QLinearConcat", {{"axis", int64_t{0}}}),
                   {lone(0.5f), u8({}, {2}), u8({1}, {3}), lone(1), u8({}, {1}), u8({2}, {4, 6}), lone(0.25f),
                    u8({}, {0})}),
              u8({3}, {6, 4, 5}));
  EXPECT_THAT(error_of(ms("QLinearConcat", {{"axis", int64_t{0}}}), {lone(1), u8({}, {0}), u8({1}, {3})}),
              HasSubstr("inputs"));
  EXPECT_THAT(error_of(ms("QLinearGlobalAveragePool", {{"channels_last", int64_t{1}}}),
                       {u8({2}, {1, 2}), lone(1), u8({}, {0}), lone(1), u8({}, {0})}),
              HasSubstr("rank"));
}

TEST(QGemm, FloatsAndBytes) {
  const Tensor a = u8({1, 2}, {3, 5}), b = i8({2, 2}, {1, 2, 3, 4});
  // (3 - 1, 5 - 1) x [[1, 2], [3, 4]] = 14, 20; with C 15, 22; times 0.5 x (1, 2)
  const std::vector<Tensor> in = {
      a, lone(0.5f), u8({}, {1}), b, f32({2}, {1, 2}), i8({2}, {0, 0}), i32({2}, {1, 2})};
  expect_same(run1(ms("QGemm"), in), f32({1, 2}, {7.5, 22}));
  std::vector<Tensor> bytes = in;
  bytes.push_back(lone(1));
  bytes.push_back(u8({}, {10}));
  expect_same(run1(ms("QGemm"), bytes), u8({1, 2}, {18, 32}));
  std::vector<Tensor> wrong = in;
  wrong[6] = i32({3}, {1, 2, 3});
  EXPECT_THAT(error_of(ms("QGemm"), wrong), HasSubstr("broadcast"));
  EXPECT_THAT(error_of(ms("QGemm"), {a, lone(1), u8({}, {0}), i8({3, 1}, {1, 2, 3}), lone(1), i8({}, {0})}),
              HasSubstr("inner sizes"));
}

TEST(Contrib, ShapesOfTheRest) {
  const Tensor x = f32({1, 2, 2, 4}, std::vector<float>(16, 1));
  const Tensor four = f32({4}, {1, 2, 3, 4});
  expect_close(run1(ms("GroupNorm", {{"groups", int64_t{2}}, {"activation", int64_t{0}}}), {x, four, four}),
               f32({1, 2, 2, 4}, {1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4}));
  expect_same(run1(ms("NhwcConv"), {x, f32({1, 4, 2, 1}, {1, 1, 2, 2, 3, 3, 4, 4})}),
              f32({1, 1, 2, 1}, {20, 20}));
  expect_same(run1(ms("Inverse"), {f32({2, 2}, {2, 0, 0, 4})}), f32({2, 2}, {0.5, 0, 0, 0.25}));
  expect_same(run1(ms("BiasSplitGelu"), {f32({1, 2}, {3, 0}), f32({2}, {0, 0})}), f32({1, 1}, {0}));
  EXPECT_EQ(run1(ms("RelativePositionBias", {{"max_distance", int64_t{20}}}),
                 {f32({4, 2}, std::vector<float>(8, 1)), i64({1}, {2}), i64({1}, {3})})
                .dims,
            (std::vector<int64_t>{1, 2, 2, 3}));
  EXPECT_THAT(
      error_of(ms("GroupNorm", {{"groups", int64_t{3}}, {"activation", int64_t{0}}}), {x, four, four}),
      HasSubstr("4 channels in 3 groups"));
  EXPECT_THAT(error_of(ms("Inverse"), {f32({2, 3}, {1, 2, 3, 4, 5, 6})}), HasSubstr("square"));
  EXPECT_THAT(error_of(ms("RelativePositionBias", {{"max_distance", int64_t{2}}}),
                       {f32({4, 1}, {1, 2, 3, 4}), i64({1}, {2}), i64({1}, {3})}),
              HasSubstr("buckets"));
  EXPECT_THAT(
      error_of(ms("FusedMatMulActivation", {{"activation", "Cos"}}), {f32({1, 1}, {1}), f32({1, 1}, {1})}),
      HasSubstr("'Cos'"));
}

}  // namespace
}  // namespace lathe::test
