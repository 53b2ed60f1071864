#include "tests/ops/op_test.h"

namespace lathe::test {
namespace {

using ::testing::HasSubstr;

TEST(Binary, BroadcastsBothWays) {
  expect_same(run1({"Add"}, {f32({2, 1}, {1, 2}), f32({3}, {10, 20, 30})}),
              f32({2, 3}, {11, 21, 31, 12, 22, 32}));
  expect_same(run1({"Sub"}, {f32({}, {1}), f32({2}, {1, 2})}), f32({2}, {0, -1}));
  expect_same(run1({"Mul"}, {f32({0, 3}, {}), f32({3}, {1, 2, 3})}), f32({0, 3}, {}));
  expect_same(run1({"Mul"}, {f32({2, 1, 2}, {1, 2, 3, 4}), f32({1, 3, 1}, {1, 10, 100})}),
              f32({2, 3, 2}, {1, 2, 10, 20, 100, 200, 3, 4, 30, 40, 300, 400}));
}

TEST(Binary, ShapesThatDoNotBroadcastAreAnError) {
  const std::string why = error_of({"Add"}, {f32({2}, {1, 2}), f32({3}, {1, 2, 3})});
  EXPECT_THAT(why, HasSubstr("node 'n' (Add"));
  EXPECT_THAT(why, HasSubstr("[2] and [3] do not broadcast"));
}

TEST(Binary, IntegersWrapAndDivideTowardsZero) {
  constexpr int64_t low = std::numeric_limits<int64_t>::min();
  constexpr int32_t low32 = std::numeric_limits<int32_t>::min();
  expect_same(run1({"Div"}, {i64({3}, {low, -7, 7}), i64({3}, {-1, 2, -2})}), i64({3}, {low, -3, -3}));
  expect_same(run1({"Mod"}, {i64({4}, {low, -7, 7, 7}), i64({4}, {-1, 3, -3, 3})}), i64({4}, {0, 2, -2, 1}));
  expect_same(run1({"Mod", {{"fmod", int64_t{1}}}}, {i64({2}, {-7, 7}), i64({2}, {3, -3})}),
              i64({2}, {-1, 1}));
  expect_same(run1({"Neg"}, {i32({2}, {low32, 5})}), i32({2}, {low32, -5}));
  expect_same(run1({"Abs"}, {i32({2}, {low32, -5})}), i32({2}, {low32, 5}));
  expect_same(run1({"Mul"}, {of(DType::U16, {1}, {65535}), of(DType::U16, {1}, {65535})}),
              of(DType::U16, {1}, {1}));
  expect_same(run1({"Add"}, {of(DType::I8, {1}, {127}), of(DType::I8, {1}, {1})}),
              of(DType::I8, {1}, {-128}));
  EXPECT_THAT(error_of({"Div"}, {i64({2}, {1, 2}), i64({2}, {1, 0})}), HasSubstr("division by zero"));
  EXPECT_THAT(error_of({"Mod"}, {i64({1}, {1}), i64({1}, {0})}), HasSubstr("division by zero"));
}

TEST(Binary, MaxAndMinKeepNaN) {
  expect_close(run1({"Max"}, {f32({3}, {1, kNaN, 3}), f32({3}, {2, 2, kNaN})}), f32({3}, {2, kNaN, kNaN}));
  expect_close(run1({"Min"}, {f32({3}, {1, kNaN, 3}), f32({}, {2})}), f32({3}, {1, kNaN, 2}));
  expect_same(run1({"Max"}, {i64({2}, {1, 5}), i64({}, {3}), i64({2, 1}, {0, 9})}),
              i64({2, 2}, {3, 5, 9, 9}));
}

TEST(Binary, HalvesRoundOnce) {
  // 2048 + 1 + 1 in float16: 2048 after each rounded step, 2050 when rounded once.
  expect_same(
      run1({"Sum"}, {of(DType::F16, {1}, {2048}), of(DType::F16, {1}, {1}), of(DType::F16, {1}, {1})}),
      of(DType::F16, {1}, {2050}));
  expect_same(run1({"Mean"}, {of(DType::BF16, {1}, {1}), of(DType::BF16, {1}, {2})}),
              of(DType::BF16, {1}, {1.5}));
}

TEST(Binary, Pow) {
  expect_same(run1({"Pow"}, {f32({3}, {2, -3, 0.5}), f32({}, {2})}), f32({3}, {4, 9, 0.25}));
  expect_same(run1({"Pow"}, {f32({2}, {2, 3}), i64({1, 2}, {3, 0})}), f32({1, 2}, {8, 1}));
  expect_same(run1({"Pow"}, {i32({3}, {2, -1, 7}), i64({3}, {10, 3, -1})}), i32({3}, {1024, -1, 0}));
  expect_same(run1({"Pow"}, {i64({1}, {9}), f32({1}, {0.5})}), i64({1}, {3}));
  EXPECT_THAT(error_of({"Pow"}, {i64({1}, {0}), i64({1}, {-1})}), HasSubstr("negative integer power"));
}

TEST(Unary, Values) {
  expect_close(run1({"Sqrt"}, {f32({3}, {4, -1, kInf})}), f32({3}, {2, kNaN, kInf}));
  expect_close(run1({"Erf"}, {f32({4}, {0, 0.5, -1, 10})}), f32({4}, {0, 0.5204999f, -0.8427008f, 1}), 1e-6);
  expect_close(run1({"Exp"}, {f32({4}, {0, 1, -200, 200})}), f32({4}, {1, 2.7182818f, 0, kInf}), 1e-6);
  expect_close(run1({"Tanh"}, {f32({4}, {0, 0.5, -20, kNaN})}), f32({4}, {0, 0.46211716f, -1, kNaN}), 1e-6);
  expect_close(run1({"Sigmoid"}, {f32({4}, {0, -200, 200, 1})}), f32({4}, {0.5, 0, 1, 0.7310586f}), 1e-6);
  expect_same(run1({"Round"}, {f32({4}, {0.5, 1.5, -2.5, 2.4f})}), f32({4}, {0, 2, -2, 2}));
  expect_close(run1({"Relu"}, {f32({3}, {-1, 2, kNaN})}), f32({3}, {0, 2, kNaN}));
  expect_close(run1({"Sign"}, {f32({3}, {-3, 0, kNaN})}), f32({3}, {-1, 0, kNaN}));
  expect_same(run1({"Floor"}, {f64({2}, {-1.5, 1.5})}), f64({2}, {-2, 1}));
  EXPECT_THAT(error_of({"Sqrt"}, {i64({1}, {4})}), HasSubstr("int64 is not supported"));
}

}  // namespace
}  // namespace lathe::test
