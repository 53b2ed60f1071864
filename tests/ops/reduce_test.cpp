#include "tests/ops/op_test.h"

namespace lathe::test {
namespace {

using ::testing::HasSubstr;

const Tensor kSix = f32({2, 3}, {1, 2, 3, 4, 5, 6});

TEST(Reduce, AxesAndKeepdims) {
  expect_same(run1({"ReduceSum"}, {kSix, i64({1}, {1})}), f32({2, 1}, {6, 15}));
  expect_same(run1({"ReduceSum", {{"keepdims", int64_t{0}}}}, {kSix, i64({1}, {0})}), f32({3}, {5, 7, 9}));
  expect_same(run1({"ReduceSum"}, {kSix}), f32({1, 1}, {21}));
  expect_same(run1({"ReduceSum", {{"noop_with_empty_axes", int64_t{1}}}}, {kSix, i64({0}, {})}), kSix);
  expect_same(run1({"ReduceMean", {{"keepdims", int64_t{0}}}}, {kSix, i64({2}, {-1, 0})}), f32({}, {3.5}));
  const Tensor cube = f32({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  expect_same(run1({"ReduceSum", {{"keepdims", int64_t{0}}}}, {cube, i64({2}, {0, 2})}), f32({2}, {14, 22}));
  expect_same(run1({"ReduceSum", {{"keepdims", int64_t{0}}}}, {cube, i64({1}, {1})}),
              f32({2, 2}, {4, 6, 12, 14}));
  EXPECT_THAT(error_of({"ReduceSum"}, {kSix, i64({1}, {2})}), HasSubstr("axis 2 is outside"));
}

TEST(Reduce, EveryKind) {
  const auto all = [](const char* type, const Tensor& x) {
    return run1({type, {{"keepdims", int64_t{0}}}}, {x});
  };
  const Tensor x = f32({3}, {3, -4, 0});
  expect_close(all("ReduceL1", x), f32({}, {7}));
  expect_close(all("ReduceL2", x), f32({}, {5}));
  expect_close(all("ReduceSumSquare", x), f32({}, {25}));
  expect_close(all("ReduceMax", x), f32({}, {3}));
  expect_close(all("ReduceMin", x), f32({}, {-4}));
  expect_close(all("ReduceProd", f32({3}, {3, -4, 2})), f32({}, {-24}));
  expect_close(all("ReduceLogSum", f32({2}, {1, 2})), f32({}, {1.0986123f}));
  expect_close(all("ReduceLogSumExp", f32({2}, {1000, 1000})), f32({}, {1000.6931f}));
  expect_same(all("ReduceL2", i64({2}, {3, 4})), i64({}, {5}));
  expect_same(all("ReduceMax", boolean({2}, {0, 1})), boolean({}, {1}));
  expect_close(all("ReduceMax", f32({2}, {kNaN, 1})), f32({}, {kNaN}));
}

TEST(Reduce, OfNothing) {
  const auto rows = [](const char* type) { return run1({type}, {f32({0, 2}, {}), i64({1}, {0})}); };
  expect_same(rows("ReduceSum"), f32({1, 2}, {0, 0}));
  expect_same(rows("ReduceProd"), f32({1, 2}, {1, 1}));
  expect_close(rows("ReduceMax"), f32({1, 2}, {-kInf, -kInf}));
  expect_close(rows("ReduceLogSumExp"), f32({1, 2}, {-kInf, -kInf}));
  expect_same(run1({"ReduceMin"}, {i32({0}, {})}), i32({1}, {std::numeric_limits<int32_t>::max()}));
}

// A float that counts to 2^24 in ones stops there: long sums must not.
TEST(Reduce, LongSumsKeepTheirPrecision) {
  const int64_t n = 40'000'000;
  Tensor ones = Tensor::uninitialized(DType::F32, {n});
  for (float& v : ones.mutable_data<float>()) v = 1;
  expect_same(run1({"ReduceSum", {{"keepdims", int64_t{0}}}}, {ones}), f32({}, {40'000'000}));
}

TEST(Reduce, HalfAccumulatesInFloat) {
  Tensor x = Tensor::full(DType::F16, {4096}, 1);
  expect_same(run1({"ReduceSum"}, {x}), of(DType::F16, {1}, {4096}));
}

TEST(ArgReduce, TiesAndNaN) {
  const Tensor x = f32({2, 3}, {1, 3, 3, 5, 2, 5});
  expect_same(run1({"ArgMax", {{"axis", int64_t{1}}}}, {x}), i64({2, 1}, {1, 0}));
  expect_same(
      run1({"ArgMax", {{"axis", int64_t{1}}, {"select_last_index", int64_t{1}}, {"keepdims", int64_t{0}}}},
           {x}),
      i64({2}, {2, 2}));
  expect_same(run1({"ArgMin", {{"axis", int64_t{-2}}}}, {x}), i64({1, 3}, {0, 1, 0}));
  expect_same(run1({"ArgMax"}, {f32({3}, {1, kNaN, 9})}), i64({1}, {1}));
  EXPECT_THAT(error_of({"ArgMax"}, {f32({0, 2}, {})}), HasSubstr("no elements"));
}

TEST(TopK, OrderAndTies) {
  const auto top = run({"TopK", {}, 2}, {f32({5}, {1, 4, 4, kNaN, 2}), i64({1}, {3})});
  expect_close(top[0], f32({3}, {kNaN, 4, 4}));
  expect_same(top[1], i64({3}, {3, 1, 2}));
  const auto low = run({"TopK", {{"largest", int64_t{0}}, {"axis", int64_t{0}}}, 2},
                       {i64({2, 2}, {5, 1, 3, 9}), i64({1}, {1})});
  expect_same(low[0], i64({1, 2}, {3, 1}));
  expect_same(low[1], i64({1, 2}, {1, 0}));
  // The indices, which the node does not list, have no place to go.
  expect_close(run({"TopK", {}, 1}, {f32({5}, {1, 4, 4, kNaN, 2}), i64({1}, {3})})[0],
               f32({3}, {kNaN, 4, 4}));
  EXPECT_THAT(error_of({"TopK", {}, 2}, {f32({2}, {1, 2}), i64({1}, {3})}), HasSubstr("top 3 of 2"));
}

TEST(CumSum, Directions) {
  const Tensor x = i64({2, 3}, {1, 2, 3, 4, 5, 6});
  expect_same(run1({"CumSum"}, {x, i64({}, {1})}), i64({2, 3}, {1, 3, 6, 4, 9, 15}));
  expect_same(run1({"CumSum", {{"exclusive", int64_t{1}}, {"reverse", int64_t{1}}}}, {x, i64({}, {-1})}),
              i64({2, 3}, {5, 3, 0, 11, 6, 0}));
  expect_same(run1({"CumSum"}, {x, i64({1}, {0})}), i64({2, 3}, {1, 2, 3, 5, 7, 9}));
}

}  // namespace
}  // namespace lathe::test
