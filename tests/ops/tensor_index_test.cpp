// Ops that pick, place and make elements: Gather, Scatter and kin, Where, Trilu, Constant and kin, Range,
// Cast.
#include "tests/ops/op_test.h"

namespace lathe::test {
namespace {

using ::testing::HasSubstr;

Tensor vec(std::vector<int64_t> v) { return Tensor::of_i64(std::move(v)); }
AttrValue tensor_attr(Tensor t) { return std::make_shared<const Tensor>(std::move(t)); }

TEST(Gather, AxisAndNegativeIndices) {
  const Tensor x = f32({2, 3}, {1, 2, 3, 4, 5, 6});
  expect_same(run1({"Gather", {{"axis", int64_t{1}}}}, {x, vec({-1, 0})}), f32({2, 2}, {3, 1, 6, 4}));
  expect_same(run1({"Gather"}, {x, Tensor::scalar_i64(1)}), f32({3}, {4, 5, 6}));
  expect_same(run1({"Gather"}, {vec({7, 8, 9}), i32({2}, {2, 0})}), vec({9, 7}));
  EXPECT_THAT(error_of({"Gather"}, {x, vec({2})}), HasSubstr("out of range"));
  EXPECT_NE(error_of({"Gather", {{"axis", int64_t{2}}}}, {x, vec({0})}), "");
}

TEST(Gather, EmptyRunsAndIndices) {
  EXPECT_EQ(run1({"Gather"}, {f32({2, 0}, {}), vec({1, 1, 1})}).dims, (std::vector<int64_t>{3, 0}));
  EXPECT_EQ(run1({"Gather"}, {f32({0, 2}, {}), vec({})}).dims, (std::vector<int64_t>{0, 2}));
  EXPECT_NE(error_of({"Gather"}, {f32({0, 2}, {}), vec({0})}), "");
}

TEST(GatherElements, SmallerThanData) {
  const Tensor x = f32({2, 3}, {1, 2, 3, 4, 5, 6});
  expect_same(run1({"GatherElements", {{"axis", int64_t{1}}}}, {x, i64({1, 2}, {2, -3})}),
              f32({1, 2}, {3, 1}));
  expect_same(run1({"GatherElements"}, {x, i64({2, 2}, {1, 0, 0, 1})}), f32({2, 2}, {4, 2, 1, 5}));
  EXPECT_NE(error_of({"GatherElements"}, {x, i64({2, 4}, {0, 0, 0, 0, 0, 0, 0, 0})}), "");
}

TEST(GatherND, TuplesAndBatches) {
  const Tensor x = f32({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  expect_same(run1({"GatherND"}, {x, i64({2, 2}, {0, 1, 1, 0})}), f32({2, 2}, {3, 4, 5, 6}));
  expect_same(run1({"GatherND", {{"batch_dims", int64_t{1}}}}, {x, i64({2, 1}, {1, 0})}),
              f32({2, 2}, {3, 4, 5, 6}));
  expect_same(run1({"GatherND"}, {x, i64({1, 3}, {-1, -1, -1})}), f32({1}, {8}));
  EXPECT_NE(error_of({"GatherND"}, {x, i64({1, 1}, {2})}), "");
  EXPECT_NE(error_of({"GatherND"}, {x, i64({1, 4}, {0, 0, 0, 0})}), "");
  EXPECT_NE(error_of({"GatherND", {{"batch_dims", int64_t{5}}}}, {x, i64({1, 1}, {0})}), "");
}

TEST(ScatterElements, Reductions) {
  const Tensor x = f32({3}, {1, 2, 3}), at = vec({1, 1}), v = f32({2}, {10, 20});
  expect_same(run1({"ScatterElements"}, {x, at, v}), f32({3}, {1, 20, 3}));
  expect_same(run1({"ScatterElements", {{"reduction", std::string("add")}}}, {x, at, v}),
              f32({3}, {1, 32, 3}));
  expect_same(run1({"ScatterElements", {{"reduction", std::string("mul")}}}, {x, at, v}),
              f32({3}, {1, 400, 3}));
  expect_same(run1({"ScatterElements", {{"reduction", std::string("min")}}}, {x, at, v}), x);
  expect_same(run1({"ScatterElements", {{"reduction", std::string("max")}}}, {x, at, v}),
              f32({3}, {1, 20, 3}));
  EXPECT_NE(error_of({"ScatterElements"}, {x, vec({3}), f32({1}, {0})}), "");
  EXPECT_NE(error_of({"ScatterElements"}, {x, vec({0}), f32({2}, {0, 0})}), "");
}

TEST(ScatterND, RunsAndElements) {
  const Tensor x = f32({2, 2}, {1, 2, 3, 4});
  expect_same(run1({"ScatterND"}, {x, i64({1, 1}, {-1}), f32({1, 2}, {9, 8})}), f32({2, 2}, {1, 2, 9, 8}));
  expect_same(run1({"ScatterND", {{"reduction", std::string("add")}}},
                   {x, i64({2, 2}, {0, 0, 0, 0}), f32({2}, {1, 1})}),
              f32({2, 2}, {3, 2, 3, 4}));
  EXPECT_NE(error_of({"ScatterND"}, {x, i64({1, 1}, {2}), f32({1, 2}, {9, 8})}), "");
  EXPECT_NE(error_of({"ScatterND"}, {x, i64({1, 1}, {0}), f32({2}, {9, 8})}), "");
}

TEST(TensorScatter, CircularWraps) {
  const Tensor past = f32({1, 3, 1}, {1, 2, 3}), update = f32({1, 2, 1}, {8, 9});
  expect_same(run1({"TensorScatter"}, {past, update, vec({1})}), f32({1, 3, 1}, {1, 8, 9}));
  expect_same(run1({"TensorScatter", {{"mode", std::string("circular")}}}, {past, update, vec({2})}),
              f32({1, 3, 1}, {9, 2, 8}));
  EXPECT_NE(error_of({"TensorScatter"}, {past, update, vec({2})}), "");
  EXPECT_NE(error_of({"TensorScatter"}, {past, update, vec({-1})}), "");
}

TEST(Where, Broadcasts) {
  expect_same(run1({"Where"}, {boolean({2, 1}, {1, 0}), f32({2}, {1, 2}), f32({}, {9})}),
              f32({2, 2}, {1, 2, 9, 9}));
  expect_same(run1({"Where"}, {boolean({2}, {2, 0}), vec({1, 2}), vec({3, 4})}), vec({1, 4}));
  expect_same(
      run1({"Where"}, {boolean({1}, {0}), Tensor::of_strings({1}, {"a"}), Tensor::of_strings({1}, {"b"})}),
      Tensor::of_strings({1}, {"b"}));
  EXPECT_NE(error_of({"Where"}, {boolean({2}, {1, 0}), f32({3}, {1, 2, 3}), f32({}, {9})}), "");
}

TEST(Trilu, Diagonals) {
  const Tensor x = f32({2, 3}, {1, 2, 3, 4, 5, 6});
  expect_same(run1({"Trilu"}, {x}), f32({2, 3}, {1, 2, 3, 0, 5, 6}));
  expect_same(run1({"Trilu", {{"upper", int64_t{0}}}}, {x, Tensor::scalar_i64(1)}),
              f32({2, 3}, {1, 2, 0, 4, 5, 6}));
  expect_same(run1({"Trilu"}, {x, Tensor::scalar_i64(100)}), f32({2, 3}, {0, 0, 0, 0, 0, 0}));
  expect_same(run1({"Trilu"}, {x, Tensor::scalar_i64(std::numeric_limits<int64_t>::min())}), x);
  EXPECT_NE(error_of({"Trilu"}, {f32({2}, {1, 2})}), "");
}

TEST(Compress, AxisOrFlat) {
  const Tensor x = f32({3, 2}, {1, 2, 3, 4, 5, 6});
  expect_same(run1({"Compress", {{"axis", int64_t{0}}}}, {x, boolean({3}, {0, 1, 1})}),
              f32({2, 2}, {3, 4, 5, 6}));
  expect_same(run1({"Compress"}, {x, boolean({5}, {0, 1, 0, 0, 1})}), f32({2}, {2, 5}));
  EXPECT_NE(error_of({"Compress", {{"axis", int64_t{1}}}}, {x, boolean({3}, {1, 1, 1})}), "");
}

TEST(NonZero, NegativeZeroAndNaN) {
  expect_same(run1({"NonZero"}, {f32({2, 2}, {-0.0f, 1, kNaN, 0})}), i64({2, 2}, {0, 1, 1, 0}));
  EXPECT_EQ(run1({"NonZero"}, {f32({}, {3})}).dims, (std::vector<int64_t>{0, 1}));
}

TEST(Constant, EveryForm) {
  expect_same(run1({"Constant", {{"value_int", int64_t{5}}}}, {}), Tensor::scalar_i64(5));
  expect_same(run1({"Constant", {{"value_ints", std::vector<int64_t>{5, 6}}}}, {}), vec({5, 6}));
  expect_same(run1({"Constant", {{"value_float", 1.5f}}}, {}), f32({}, {1.5f}));
  expect_same(run1({"Constant", {{"value_floats", std::vector<float>{1.5f}}}}, {}), f32({1}, {1.5f}));
  expect_same(run1({"Constant", {{"value_string", std::string("x")}}}, {}), Tensor::of_strings({}, {"x"}));
  expect_same(run1({"Constant", {{"value", tensor_attr(f32({1}, {2}))}}}, {}), f32({1}, {2}));
  SparseTensor s;
  s.values = f32({2}, {7, 8});
  s.indices = i64({2, 2}, {0, 1, 1, 0});
  s.dims = {2, 2};
  expect_same(run1({"Constant", {{"sparse_value", std::make_shared<const SparseTensor>(s)}}}, {}),
              f32({2, 2}, {0, 7, 8, 0}));
  s.indices = i64({2}, {3, 4});
  EXPECT_NE(error_of({"Constant", {{"sparse_value", std::make_shared<const SparseTensor>(s)}}}, {}), "");
}

TEST(ConstantOfShape, DefaultIsZeroFloat) {
  expect_same(run1({"ConstantOfShape"}, {vec({2})}), f32({2}, {0, 0}));
  expect_same(run1({"ConstantOfShape", {{"value", tensor_attr(vec({-1}))}}}, {vec({2})}), vec({-1, -1}));
  EXPECT_NE(error_of({"ConstantOfShape"}, {vec({-1})}), "");
  EXPECT_NE(error_of({"ConstantOfShape"}, {vec({1ll << 40, 1ll << 40})}), "");
}

TEST(EyeLike, Diagonals) {
  expect_same(run1({"EyeLike", {{"k", int64_t{1}}}}, {f32({2, 3}, {0, 0, 0, 0, 0, 0})}),
              f32({2, 3}, {0, 1, 0, 0, 0, 1}));
  expect_same(run1({"EyeLike", {{"k", int64_t{-1}}, {"dtype", int64_t{7}}}}, {f32({2, 2}, {0, 0, 0, 0})}),
              i64({2, 2}, {0, 0, 1, 0}));
}

TEST(Range, UpDownEmpty) {
  const auto s = [](int64_t v) { return Tensor::scalar_i64(v); };
  expect_same(run1({"Range"}, {s(3), s(9), s(3)}), vec({3, 6}));
  expect_same(run1({"Range"}, {s(10), s(4), s(-2)}), vec({10, 8, 6}));
  expect_same(run1({"Range"}, {s(4), s(4), s(1)}), vec({}));
  expect_same(run1({"Range"}, {f32({}, {0}), f32({}, {1}), f32({}, {0.4f})}), f32({3}, {0, 0.4f, 0.8f}));
  EXPECT_THAT(error_of({"Range"}, {s(0), s(4), s(0)}), HasSubstr("delta is 0"));
  EXPECT_NE(error_of({"Range"}, {f32({}, {0}), f32({}, {kInf}), f32({}, {1})}), "");
}

AttrValue to(DType t) { return static_cast<int64_t>(t); }

TEST(Cast, NumbersTruncateAndWrap) {
  expect_same(run1({"Cast", {{"to", to(DType::I64)}}}, {f32({3}, {-1.7f, 1.7f, 0})}), vec({-1, 1, 0}));
  expect_same(run1({"Cast", {{"to", to(DType::I8)}}}, {vec({200})}), of(DType::I8, {1}, {-56}));
  expect_same(run1({"Cast", {{"to", to(DType::Bool)}}}, {f32({4}, {-0.0f, 0.1f, kNaN, 0})}),
              boolean({4}, {0, 1, 1, 0}));
  expect_same(run1({"Cast", {{"to", to(DType::F32)}}}, {boolean({2}, {7, 0})}), f32({2}, {1, 0}));
  expect_same(run1({"Cast", {{"to", to(DType::F16)}}}, {f32({2}, {65504, 1e6f})}),
              of(DType::F16, {2}, {65504, kInf}));
}

TEST(Cast, NarrowTypes) {
  expect_same(run1({"Cast", {{"to", to(DType::I4)}}}, {vec({-8, 7, 9})}), of(DType::I4, {3}, {-8, 7, -7}));
  expect_same(run1({"Cast", {{"to", to(DType::F32)}}}, {of(DType::U4, {3}, {0, 9, 15})}),
              f32({3}, {0, 9, 15}));
  const Tensor x = f32({2}, {1.0f, 1000.0f});
  expect_same(run1({"Cast", {{"to", to(DType::F8E4M3FN)}}}, {x}), of(DType::F8E4M3FN, {2}, {1, 448}));
  const Tensor open = run1({"Cast", {{"to", to(DType::F8E4M3FN)}, {"saturate", int64_t{0}}}}, {x});
  EXPECT_TRUE(std::isnan(open.as_double(1)));
}

TEST(Cast, Strings) {
  expect_same(run1({"Cast", {{"to", to(DType::String)}}}, {f32({4}, {1.5f, kInf, -kInf, kNaN})}),
              Tensor::of_strings({4}, {"1.5", "INF", "-INF", "NaN"}));
  expect_same(
      run1({"Cast", {{"to", to(DType::F32)}}}, {Tensor::of_strings({4}, {"1e-5", "+inf", "-INF", "+2"})}),
      f32({4}, {1e-5f, kInf, -kInf, 2}));
  expect_same(run1({"Cast", {{"to", to(DType::I32)}}}, {Tensor::of_strings({1}, {"-7"})}), i32({1}, {-7}));
  EXPECT_THAT(error_of({"Cast", {{"to", to(DType::F32)}}}, {Tensor::of_strings({1}, {"Hello"})}),
              HasSubstr("Hello"));
}

TEST(Cast, TargetsAreChecked) {
  EXPECT_NE(error_of({"Cast", {{"to", int64_t{99}}}}, {f32({1}, {1})}), "");
  expect_same(run1({"CastLike"}, {f32({1}, {2.5f}), vec({0, 0})}), vec({2}));
  EXPECT_EQ(run1({"BitCast", {{"to", to(DType::I32)}}}, {f32({1}, {1})}).data<int32_t>()[0], 0x3f800000);
  EXPECT_NE(error_of({"BitCast", {{"to", to(DType::I64)}}}, {f32({1}, {1})}), "");
}

}  // namespace
}  // namespace lathe::test
