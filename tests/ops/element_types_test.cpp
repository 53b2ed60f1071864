// Element types beyond numbers of 16 bits and more, where the schema allows them and arithmetic is involved.
#include <complex>

#include "tests/ops/op_test.h"

namespace lathe::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using C = std::complex<float>;
Tensor c64(std::vector<int64_t> dims, std::vector<C> v) {
  return Tensor::of<C>(DType::C64, std::move(dims), v);
}
Tensor c128(std::vector<int64_t> dims, std::vector<std::complex<double>> v) {
  return Tensor::of<std::complex<double>>(DType::C128, std::move(dims), v);
}
Tensor text(std::vector<int64_t> dims, std::vector<std::string> v) {
  return Tensor::of_strings(std::move(dims), std::move(v));
}
std::vector<C> values(const Tensor& t) {
  const auto v = t.data<C>();
  return {v.begin(), v.end()};
}
AttrValue word(const char* s) { return std::string(s); }

TEST(ElementTypes, MeanVarianceNormalization) {
  const std::vector<double> x = {1, 3, 5, 7}, want = {-1.3416407, -0.4472136, 0.4472136, 1.3416407};
  for (const DType t : {DType::F64, DType::F32, DType::F16, DType::BF16})
    expect_close(run1({"MeanVarianceNormalization"}, {of(t, {1, 1, 2, 2}, x)}), of(t, {1, 1, 2, 2}, want),
                 1e-7);
  expect_close(
      run1({"MeanVarianceNormalization", {{"axes", std::vector<int64_t>{1}}}}, {f64({2, 2}, {1, 3, 10, 10})}),
      f64({2, 2}, {-1, 1, 0, 0}), 1e-8);
}

TEST(ElementTypes, DropoutOfFloat8) {
  const Tensor x = Tensor::full(DType::F8E5M2, {200}, 1.5);
  const auto y = run({"Dropout", {{"seed", int64_t{3}}}, 2}, {x, f32({}, {0.5f}), boolean({}, {1})});
  EXPECT_EQ(y[0].dtype, DType::F8E5M2);
  int64_t kept = 0;
  for (int64_t i = 0; i < 200; ++i) {
    EXPECT_EQ(y[0].as_double(i), y[1].as_i64(i) != 0 ? 3 : 0);
    kept += y[1].as_i64(i);
  }
  EXPECT_NEAR(static_cast<double>(kept), 100, 36);
}

TEST(ElementTypes, QLinearMatMulOfFloat8) {
  const DType t = DType::F8E4M3FN;
  const Tensor one = f32({}, {1}), zero = of(t, {}, {0});
  const Tensor a = of(t, {2, 2}, {1, 2, 3, 4}), b = of(t, {2, 2}, {0.5, 1, 1.5, 2});
  expect_same(run1({"QLinearMatMul"}, {a, f32({}, {2}), zero, b, one, zero, f32({}, {0.5f}), zero}),
              of(t, {2, 2}, {14, 20, 30, 44}));
  // Rows of a with scales of their own.
  const Tensor i8 = of(DType::I8, {2, 2}, {1, 2, 3, 4}), z8 = of(DType::I8, {}, {0});
  expect_same(
      run1({"QLinearMatMul"}, {i8, f32({2}, {1, 10}), of(DType::I8, {2}, {0, 1}), i8, one, z8, one, z8}),
      of(DType::I8, {2, 2}, {7, 10, 110, 127}));
  EXPECT_THAT(error_of({"QLinearMatMul"}, {i8, f32({3}, {1, 10, 1}), z8, i8, one, z8, one, z8}),
              HasSubstr("3 scales for 2 rows"));
}

TEST(ElementTypes, ScalesOfPowersOfTwo) {
  const Tensor x = of(DType::F8E4M3FN, {4}, {1, 2, -3, 0.5}), scale = of(DType::F8E8M0, {2}, {4, 0.25});
  const AttrValue to_float = static_cast<int64_t>(DType::F32);
  expect_same(run1({"DequantizeLinear",
                    {{"output_dtype", to_float}, {"axis", int64_t{0}}, {"block_size", int64_t{2}}}},
                   {x, scale}),
              f32({4}, {4, 8, -0.75f, 0.125f}));
  EXPECT_THAT(error_of({"DequantizeLinear"}, {x, of(DType::F8E8M0, {}, {4})}),
              HasSubstr("output_dtype is needed"));
}

TEST(ElementTypes, UniqueOfComplex) {
  const Tensor x = c64({5}, {{2, 1}, {1, 5}, {2, -1}, {1, 5}, {2, 1}});
  const auto y = run({"Unique", {}, 4}, {x});
  EXPECT_THAT(values(y[0]), ElementsAre(C(1, 5), C(2, -1), C(2, 1)));
  expect_same(y[1], i64({3}, {1, 2, 0}));
  expect_same(y[2], i64({5}, {2, 0, 1, 0, 2}));
  expect_same(y[3], i64({3}, {2, 1, 2}));
}

TEST(ElementTypes, ResizeOfComplex) {
  const Tensor scales = f32({1}, {2});
  EXPECT_THAT(
      values(
          run1({"Resize", {{"mode", word("linear")}, {"coordinate_transformation_mode", word("asymmetric")}}},
               {c64({2}, {{0, 4}, {2, 0}}), Tensor(), scales})),
      ElementsAre(C(0, 4), C(1, 2), C(2, 0), C(2, 0)));
  EXPECT_THAT(values(run1({"Resize"}, {c64({1}, {{3, 4}}), Tensor(), scales})),
              ElementsAre(C(3, 4), C(3, 4)));
  const Tensor wide = run1({"Resize", {{"mode", word("cubic")}}},
                           {c128({4}, {{1, -1}, {1, -1}, {1, -1}, {1, -1}}), Tensor(), scales});
  for (const auto v : wide.data<std::complex<double>>())
    EXPECT_NEAR(std::abs(v - std::complex<double>(1, -1)), 0, 1e-12);
}

TEST(ElementTypes, ScatterReductions) {
  const Tensor at = i64({3, 1}, {0, 1, 0});
  const auto nd = [&](const char* how, const Tensor& data, const Tensor& updates) {
    return run1({"ScatterND", {{"reduction", word(how)}}}, {data, at, updates});
  };
  EXPECT_THAT(values(nd("add", c64({2}, {{1, 1}, {0, 2}}), c64({3}, {{1, 0}, {3, 0}, {0, 5}}))),
              ElementsAre(C(2, 6), C(3, 2)));
  EXPECT_THAT(values(nd("mul", c64({2}, {{1, 1}, {0, 2}}), c64({3}, {{2, 0}, {0, 1}, {0, 1}}))),
              ElementsAre(C(-2, 2), C(-2, 0)));
  EXPECT_THAT(values(nd("max", c64({2}, {{1, 1}, {0, 2}}), c64({3}, {{1, 2}, {-3, 9}, {0, 5}}))),
              ElementsAre(C(1, 2), C(0, 2)));
  EXPECT_THAT(values(nd("min", c64({2}, {{1, 1}, {0, 2}}), c64({3}, {{1, 2}, {-3, 9}, {0, 5}}))),
              ElementsAre(C(0, 5), C(-3, 9)));
  expect_same(nd("add", boolean({2}, {0, 0}), boolean({3}, {0, 0, 1})), boolean({2}, {1, 0}));
  expect_same(nd("mul", boolean({2}, {1, 1}), boolean({3}, {1, 1, 0})), boolean({2}, {0, 1}));
  EXPECT_THAT(nd("none", text({2}, {"a", "b"}), text({3}, {"c", "d", "e"})).strings(), ElementsAre("e", "d"));
  expect_same(run1({"ScatterElements", {{"reduction", word("max")}}},
                   {boolean({2}, {0, 0}), i64({2}, {1, 1}), boolean({2}, {1, 0})}),
              boolean({2}, {0, 1}));
  EXPECT_THAT(error_of({"ScatterND", {{"reduction", word("add")}}},
                       {text({2}, {"a", "b"}), at, text({3}, {"c", "d", "e"})}),
              HasSubstr("string"));
}

TEST(ElementTypes, EmptyStringsAreTheZeroOfStrings) {
  EXPECT_THAT(run1({"Trilu"}, {text({2, 2}, {"a", "b", "c", "d"})}).strings(),
              ElementsAre("a", "b", "", "d"));
  EXPECT_THAT(
      run1({"Trilu", {{"upper", int64_t{0}}}}, {text({2, 2}, {"a", "b", "c", "d"}), i64({}, {-1})}).strings(),
      ElementsAre("", "", "c", ""));
  EXPECT_THAT(run1({"GridSample", {{"mode", word("nearest")}}},
                   {text({1, 1, 1, 2}, {"l", "r"}), f32({1, 1, 3, 2}, {-0.5, 0, 0.5, 0, 9, 0})})
                  .strings(),
              ElementsAre("l", "r", ""));
}

TEST(ElementTypes, GridSampleInterpolates) {
  const Tensor grid = f32({1, 1, 2, 2}, {0, 0, -0.5, 0});
  EXPECT_THAT(values(run1({"GridSample"}, {c64({1, 1, 1, 2}, {{2, 0}, {0, 4}}), grid})),
              ElementsAre(C(1, 2), C(2, 0)));
  expect_same(run1({"GridSample"}, {boolean({1, 1, 1, 2}, {0, 1}), grid}), boolean({1, 1, 1, 2}, {1, 0}));
}

TEST(ElementTypes, Col2ImSums) {
  const Tensor image = i64({2}, {1, 3}), block = i64({2}, {1, 2});  // two overlapping blocks
  EXPECT_THAT(values(run1({"Col2Im"}, {c64({1, 2, 2}, {{1, 1}, {2, 2}, {3, 0}, {0, 5}}), image, block})),
              ElementsAre(C(1, 1), C(5, 2), C(0, 5)));
  expect_same(run1({"Col2Im"}, {boolean({1, 2, 2}, {0, 1, 0, 0}), image, block}),
              boolean({1, 1, 1, 3}, {0, 1, 0}));
}

}  // namespace
}  // namespace lathe::test
