// Einsum, Det, Fourier transforms, mel weights.
#include "tests/ops/op_test.h"

namespace lathe::test {
namespace {

using ::testing::HasSubstr;

Op einsum(const std::string& equation) { return {"Einsum", {{"equation", equation}}}; }

TEST(Einsum, ProductsSumsAndDiagonals) {
  const Tensor a = f32({2, 2}, {1, 2, 3, 4}), b = f32({2, 3}, {1, 0, 2, 0, 1, 3});
  expect_same(run1(einsum("ij,jk->ik"), {a, b}), f32({2, 3}, {1, 2, 8, 3, 4, 18}));
  expect_same(run1(einsum("ij , jk"), {a, b}), f32({2, 3}, {1, 2, 8, 3, 4, 18}));
  expect_same(run1(einsum("ij->ji"), {a}), f32({2, 2}, {1, 3, 2, 4}));
  expect_same(run1(einsum("ba"), {a}), f32({2, 2}, {1, 3, 2, 4}));  // implicit output is alphabetical
  expect_same(run1(einsum("ii->i"), {a}), f32({2}, {1, 4}));
  expect_same(run1(einsum("ii"), {a}), f32({}, {5}));
  expect_same(run1(einsum("ij->"), {a}), f32({}, {10}));
  expect_same(run1(einsum("ij->i"), {a}), f32({2}, {3, 7}));
  expect_same(run1(einsum("i,j->ij"), {f32({2}, {1, 2}), f32({2}, {3, 4})}), f32({2, 2}, {3, 4, 6, 8}));
  expect_same(run1(einsum("ij,ij->i"), {a, a}), f32({2}, {5, 25}));
  expect_same(run1(einsum("ij,jk,k->i"), {a, b, f32({3}, {1, 1, 1})}), f32({2}, {11, 25}));
  expect_same(run1(einsum("ij,kl->"), {a, b}), f32({}, {70}));
}

TEST(Einsum, EllipsesBroadcast) {
  const Tensor a = f32({2, 1, 2}, {1, 2, 3, 4}), b = f32({2, 2}, {1, 0, 0, 1});
  expect_same(run1(einsum("...ij,jk->...ik"), {a, b}), a);
  expect_same(run1(einsum("...i->..."), {a}), f32({2, 1}, {3, 7}));
  expect_same(run1(einsum("...,..."), {f32({2}, {1, 2}), f32({2, 1}, {3, 4})}), f32({2, 2}, {3, 6, 4, 8}));
  expect_same(run1(einsum("bi,bi->b"), {f32({1, 2}, {1, 2}), f32({2, 2}, {1, 2, 3, 4})}), f32({2}, {5, 11}));
}

TEST(Einsum, TypesAndEmptySums) {
  const Tensor y = run1(einsum("i,i->"), {of(DType::I8, {2}, {100, 100}), of(DType::I8, {2}, {1, 1})});
  expect_same(y, of(DType::I8, {}, {-56}));  // wraps
  expect_same(run1(einsum("ij->i"), {f32({2, 0}, {})}), f32({2}, {0, 0}));
}

TEST(Einsum, RefusesEquationsThatDoNotFit) {
  const Tensor a = f32({2, 2}, {1, 2, 3, 4});
  for (const char* equation : {"ij,jk", "ijk", "i", "ij->k", "ij->ii", "i1", "i.j", "......", "->", ""})
    EXPECT_THAT(error_of(einsum(equation), {a}), HasSubstr("equation")) << equation;
  EXPECT_THAT(error_of(einsum("ij,jk"), {a, f32({3, 1}, {1, 2, 3})}), HasSubstr("sizes"));
}

TEST(Det, ByPivots) {
  expect_close(run1({"Det"}, {f32({2, 2}, {0, 1, 2, 3})}), f32({}, {-2}));
  expect_close(run1({"Det"}, {f32({2, 1, 1}, {5, -7})}), f32({2}, {5, -7}));
  expect_same(run1({"Det"}, {f32({2, 2}, {1, 2, 2, 4})}), f32({}, {0}));
  expect_same(run1({"Det"}, {f32({3, 0, 0}, {})}), f32({3}, {1, 1, 1}));  // of nothing
  EXPECT_NE(error_of({"Det"}, {f32({2, 1}, {1, 2})}), "");
}

TEST(DFT, SmallTransforms) {
  // exp(-2 pi i k n / 4) of [1, 2, 3, 4].
  const Tensor x = f32({1, 4, 1}, {1, 2, 3, 4});
  const Tensor full = f32({1, 4, 2}, {10, 0, -2, 2, -2, 0, -2, -2});
  expect_close(run1({"DFT"}, {x}), full);
  expect_close(run1({"DFT", {{"onesided", int64_t{1}}}}, {x}), f32({1, 3, 2}, {10, 0, -2, 2, -2, 0}));
  expect_close(run1({"DFT", {{"inverse", int64_t{1}}}}, {full}), f32({1, 4, 2}, {1, 0, 2, 0, 3, 0, 4, 0}));
  expect_close(run1({"DFT", {{"inverse", int64_t{1}}, {"onesided", int64_t{1}}}},
                    {f32({1, 3, 2}, {10, 0, -2, 2, -2, 0})}),
               x);
  // Length 3 is no power of two; shorter and longer transforms cut and pad.
  expect_close(run1({"DFT"}, {x, Tensor::scalar_i64(3)}),
               f32({1, 3, 2}, {6, 0, -1.5f, 0.8660254f, -1.5f, -0.8660254f}));
  expect_close(run1({"DFT"}, {f32({1, 1, 1}, {2}), Tensor::scalar_i64(3)}),
               f32({1, 3, 2}, {2, 0, 2, 0, 2, 0}));
  expect_close(run1({"DFT"}, {f32({2, 1, 1}, {1, 3}), Tensor(), Tensor::scalar_i64(0)}),
               f32({2, 1, 2}, {4, 0, -2, 0}));
}

TEST(DFT, LongOddLengthsGoThereAndBack) {
  const int64_t n = 241;  // prime
  Tensor x = Tensor::make(DType::F64, {1, n, 2});
  for (int64_t i = 0; i < 2 * n; ++i)
    x.mutable_data<double>()[static_cast<size_t>(i)] = static_cast<double>((i * 37) % 101) / 101;
  const Tensor there = run1({"DFT"}, {x});
  expect_close(run1({"DFT", {{"inverse", int64_t{1}}}}, {there}), x, 1e-12);
}

TEST(DFT, RefusesWhatHasNoTransform) {
  EXPECT_NE(error_of({"DFT"}, {f32({4}, {1, 2, 3, 4})}), "");
  EXPECT_NE(error_of({"DFT"}, {f32({1, 1, 3}, {1, 2, 3})}), "");
  EXPECT_NE(error_of({"DFT"}, {f32({1, 1, 1}, {1}), Tensor::scalar_i64(0)}), "");
  EXPECT_NE(error_of({"DFT"}, {f32({1, 1, 1}, {1}), Tensor::scalar_i64(-4)}), "");
  EXPECT_NE(error_of({"DFT"}, {f32({1, 1, 1}, {1}), Tensor(), Tensor::scalar_i64(2)}), "");
  EXPECT_NE(error_of({"DFT", {{"inverse", int64_t{1}}, {"onesided", int64_t{1}}}}, {f32({1, 1, 2}, {1, 0})}),
            "");
}

TEST(STFT, FramesOverlap) {
  const Tensor x = f32({1, 4, 1}, {1, 2, 3, 4});
  expect_close(run1({"STFT"}, {x, Tensor::scalar_i64(1), Tensor(), Tensor::scalar_i64(2)}),
               f32({1, 3, 2, 2}, {3, 0, -1, 0, 5, 0, -1, 0, 7, 0, -1, 0}));
  expect_close(run1({"STFT"}, {x, Tensor::scalar_i64(2), f32({2}, {1, 0})}),
               f32({1, 2, 2, 2}, {1, 0, 1, 0, 3, 0, 3, 0}));
  EXPECT_NE(error_of({"STFT"}, {x, Tensor::scalar_i64(0), Tensor(), Tensor::scalar_i64(2)}), "");
  EXPECT_NE(error_of({"STFT"}, {x, Tensor::scalar_i64(1), Tensor(), Tensor::scalar_i64(5)}), "");
  EXPECT_NE(error_of({"STFT"}, {x, Tensor::scalar_i64(1), f32({3}, {1, 1, 1}), Tensor::scalar_i64(2)}), "");
}

TEST(MelWeightMatrix, TrianglesAndLimits) {
  const auto scalar = [](float v) { return f32({}, {v}); };
  const Tensor y = run1({"MelWeightMatrix"}, {Tensor::scalar_i64(2), Tensor::scalar_i64(16),
                                              Tensor::scalar_i64(8000), scalar(0), scalar(4000)});
  EXPECT_EQ(y.dims, (std::vector<int64_t>{9, 2}));
  for (const double v : y.to_doubles()) EXPECT_TRUE(v >= 0 && v <= 1);
  EXPECT_NE(error_of({"MelWeightMatrix"}, {Tensor::scalar_i64(2), Tensor::scalar_i64(16),
                                           Tensor::scalar_i64(100), scalar(0), scalar(4000)}),
            "");
  EXPECT_NE(error_of({"MelWeightMatrix"}, {Tensor::scalar_i64(2), Tensor::scalar_i64(16),
                                           Tensor::scalar_i64(0), scalar(0), scalar(4000)}),
            "");
}

TEST(Mod, FloatsWithTheDivisorsSign) {
  expect_same(run1({"Mod"}, {f32({5}, {5, -5, 5, -5, -0.0f}), f32({5}, {3, 3, -3, -3, 2})}),
              f32({5}, {2, 1, -1, -2, 0.0f}));
  expect_same(run1({"Mod"}, {f32({2}, {3, -3}), f32({2}, {kInf, kInf})}), f32({2}, {3, kInf}));
}

TEST(BitShift, SignedNumbersAndAnyDistance) {
  const auto shift = [](const char* direction) {
    return Op{"BitShift", {{"direction", std::string(direction)}}};
  };
  const Tensor x = of(DType::I8, {4}, {-8, 64, -64, 1}), by = of(DType::I8, {4}, {1, 1, 9, -1});
  expect_same(run1(shift("RIGHT"), {x, by}), of(DType::I8, {4}, {-4, 32, -1, 0}));
  expect_same(run1(shift("LEFT"), {x, by}), of(DType::I8, {4}, {-16, -128, 0, 0}));
}

}  // namespace
}  // namespace lathe::test
