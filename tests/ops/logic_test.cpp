#include "tests/ops/op_test.h"

namespace lathe::test {
namespace {

using ::testing::HasSubstr;

TEST(Compare, NaNAndBroadcast) {
  expect_same(run1({"Equal"}, {f32({2}, {1, kNaN}), f32({2}, {1, kNaN})}), boolean({2}, {1, 0}));
  expect_same(run1({"Less"}, {i64({2, 1}, {1, 3}), i64({2}, {2, 3})}), boolean({2, 2}, {1, 1, 0, 0}));
  expect_same(run1({"GreaterOrEqual"}, {f32({2}, {1, kNaN}), f32({}, {1})}), boolean({2}, {1, 0}));
  expect_same(run1({"LessOrEqual"}, {i64({2}, {1, 2}), i64({}, {1})}), boolean({2}, {1, 0}));
  expect_same(run1({"Greater"}, {of(DType::U8, {2}, {200, 1}), of(DType::U8, {}, {100})}),
              boolean({2}, {1, 0}));
  const Tensor words = Tensor::of_strings({2}, {"a", "b"});
  expect_same(run1({"Equal"}, {words, Tensor::of_strings({}, {"b"})}), boolean({2}, {0, 1}));
  EXPECT_THAT(error_of({"Less"}, {f32({1}, {1}), i64({1}, {1})}), HasSubstr("differ"));
}

// Bytes other than 0 and 1 come from files.
TEST(Logic, AnyNonzeroByteIsTrue) {
  expect_same(run1({"And"}, {boolean({3}, {2, 255, 0}), boolean({3}, {1, 4, 7})}), boolean({3}, {1, 1, 0}));
  expect_same(run1({"Not"}, {boolean({2}, {2, 0})}), boolean({2}, {0, 1}));
  expect_same(run1({"Xor"}, {boolean({2}, {2, 0}), boolean({2}, {1, 1})}), boolean({2}, {0, 1}));
  expect_same(run1({"Or"}, {boolean({2}, {0, 0}), boolean({}, {8})}), boolean({2}, {1, 1}));
}

TEST(Logic, FloatTests) {
  expect_same(run1({"IsNaN"}, {of(DType::F16, {2}, {kNaN, 1})}), boolean({2}, {1, 0}));
  expect_same(run1({"IsInf"}, {f32({3}, {kInf, -kInf, kNaN})}), boolean({3}, {1, 1, 0}));
  expect_same(run1({"IsInf", {{"detect_negative", int64_t{0}}}}, {f32({2}, {kInf, -kInf})}),
              boolean({2}, {1, 0}));
  expect_same(run1({"IsNaN"}, {of(DType::F8E4M3FN, {2}, {kNaN, 1})}), boolean({2}, {1, 0}));
}

TEST(Bitwise, Values) {
  expect_same(run1({"BitwiseAnd"}, {i32({2}, {6, -1}), i32({}, {3})}), i32({2}, {2, 3}));
  expect_same(run1({"BitwiseXor"}, {i32({1}, {6}), i32({1}, {3})}), i32({1}, {5}));
  expect_same(run1({"BitwiseNot"}, {of(DType::U8, {1}, {1})}), of(DType::U8, {1}, {254}));
  const Op left{"BitShift", {{"direction", std::string("LEFT")}}};
  expect_same(run1(left, {of(DType::U8, {3}, {1, 200, 1}), of(DType::U8, {3}, {3, 1, 8})}),
              of(DType::U8, {3}, {8, 144, 0}));
  EXPECT_THAT(error_of({"BitShift"}, {of(DType::U8, {1}, {1}), of(DType::U8, {1}, {1})}),
              HasSubstr("direction"));
}

}  // namespace
}  // namespace lathe::test
