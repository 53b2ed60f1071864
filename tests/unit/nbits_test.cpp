#include "passes/quant/nbits.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <limits>

#include "ir/base/rng.h"

namespace lathe {
namespace {

Tensor random_matrix(int64_t k, int64_t n, uint64_t seed) {
  Rng rng(seed);
  Tensor t = Tensor::uninitialized(DType::F32, {k, n});
  for (float& x : t.mutable_data<float>()) x = static_cast<float>(rng.bell());
  return t;
}

// Code, scale and zero point of one element straight from the definition (onnxruntime mlas q4_dq.cpp), one by
// one.
struct Expected {
  int code, zero;
  float scale;
};
Expected define(const Tensor& w, int64_t row, int64_t col, const Scheme& s) {
  const auto v = w.data<float>();
  const int64_t k = w.dims[0], n = w.dims[1], first = row / s.block * s.block,
                last = std::min(k, first + s.block);
  float low = v[static_cast<size_t>(first * n + col)], high = low;
  for (int64_t r = first; r < last; ++r) {
    low = std::min(low, v[static_cast<size_t>(r * n + col)]);
    high = std::max(high, v[static_cast<size_t>(r * n + col)]);
  }
  const int top = (1 << s.bits) - 1, middle = 1 << (s.bits - 1);
  Expected e{};
  if (s.symmetric) {
    e.scale = (std::fabs(low) > std::fabs(high) ? low : high) / static_cast<float>(-middle);
    e.zero = middle;
  } else {
    low = std::min(low, 0.0f);
    high = std::max(high, 0.0f);
    e.scale = (high - low) / static_cast<float>(top);
    e.zero = e.scale == 0
                 ? 0
                 : static_cast<int>(std::clamp(std::round(-low / e.scale), 0.0f, static_cast<float>(top)));
  }
  const float inverse = e.scale == 0 ? 0 : 1.0f / e.scale;
  const float x = v[static_cast<size_t>(row * n + col)] * inverse + static_cast<float>(e.zero);
  e.code = static_cast<int>(std::clamp(std::round(x), 0.0f, static_cast<float>(top)));
  return e;
}

class NBits : public testing::TestWithParam<std::tuple<int, int, bool, int, int>> {};

TEST_P(NBits, FollowsTheDefinition) {
  const auto [bits, block, symmetric, k, n] = GetParam();
  const Scheme s{.bits = bits, .block = block, .symmetric = symmetric};
  const Tensor w = random_matrix(k, n, 7);
  const NBitsWeight q = quantize_nbits(w, false, s);
  const int64_t blocks = (k + block - 1) / block;
  ASSERT_EQ(q.codes.dims, (std::vector<int64_t>{n, blocks, int64_t{block} * bits / 8}));
  ASSERT_EQ(q.zero_points.defined(), !symmetric);
  const Tensor back = dequantize_nbits(q, k, n, false, s);
  for (int64_t r = 0; r < k; ++r)
    for (int64_t c = 0; c < n; ++c) {
      const Expected e = define(w, r, c, s);
      EXPECT_EQ(back.data<float>()[static_cast<size_t>(r * n + c)],
                static_cast<float>(e.code - e.zero) * e.scale)
          << r << ", " << c;
    }
  EXPECT_LE(q.max_error, symmetric ? 1.001 : 0.501 + 0.5);
  EXPECT_GT(q.rms_error, 0);
}

INSTANTIATE_TEST_SUITE_P(Shapes, NBits,
                         testing::Values(std::tuple(4, 32, true, 96, 70), std::tuple(4, 16, false, 40, 3),
                                         std::tuple(4, 128, true, 130, 65), std::tuple(8, 32, false, 64, 64),
                                         std::tuple(2, 16, true, 17, 5), std::tuple(2, 64, false, 200, 129)));

void expect_same(const NBitsWeight& a, const NBitsWeight& b) {
  EXPECT_TRUE(same_content(a.codes, b.codes));
  EXPECT_TRUE(same_content(a.scales, b.scales));
  EXPECT_TRUE(same_content(a.zero_points, b.zero_points));
  EXPECT_EQ(a.max_error, b.max_error);
  EXPECT_NEAR(a.rms_error, b.rms_error, 1e-6);
}

TEST(NBits, TransposedWeightGivesTheSameBytes) {
  for (const auto& [k, n] : {std::pair<int64_t, int64_t>(64, 48), {70, 131}, {33, 66}}) {
    const Tensor w = random_matrix(k, n, 3);
    Tensor t = Tensor::uninitialized(DType::F32, {n, k});
    for (int64_t r = 0; r < k; ++r)
      for (int64_t c = 0; c < n; ++c)
        t.mutable_data<float>()[static_cast<size_t>(c * k + r)] =
            w.data<float>()[static_cast<size_t>(r * n + c)];
    const Scheme s{.symmetric = false};
    expect_same(quantize_nbits(w, false, s), quantize_nbits(t, true, s));
  }
}

TEST(NBits, PanelsOfColumnsGiveTheSameBytesAndTellOfEachRowOnce) {
  const int64_t k = 200, n = 300;
  const Tensor w = random_matrix(k, n, 3);
  for (const Rounding rounding : {Rounding::rtn, Rounding::mse})
    for (const bool transposed : {false, true}) {
      const Tensor matrix = transposed ? w.reshaped({n, k}) : w;
      const Scheme s{.block = 16, .symmetric = false, .rounding = rounding};
      std::vector<std::atomic<int>> told(static_cast<size_t>(matrix.dims[0]));
      WeightInput input;
      input.panel_bytes = 1;  // 64 columns
      input.have_read = [&](int64_t first, int64_t last) {
        for (int64_t r = first; r < last; ++r) ++told[static_cast<size_t>(r)];
      };
      expect_same(quantize_nbits(matrix, transposed, s, input), quantize_nbits(matrix, transposed, s));
      for (const auto& times : told) EXPECT_EQ(times, 1);
    }
}

TEST(NBits, ZeroBlocksAndSubnormalScalesAreExactOrZero) {
  Tensor w = Tensor::make(DType::F32, {64, 2});
  w.mutable_data<float>()[1] = std::numeric_limits<float>::denorm_min();
  for (const bool symmetric : {true, false}) {
    const Scheme s{.symmetric = symmetric};
    const Tensor back = dequantize_nbits(quantize_nbits(w, false, s), 64, 2, false, s);
    for (const float x : back.data<float>()) EXPECT_NEAR(x, 0, 1e-37);
  }
}

TEST(NBits, HalfScalesAreRoundedBeforeTheCodes) {
  const Tensor w = random_matrix(32, 8, 5);
  const Scheme s{.scales = DType::F16};
  const NBitsWeight q = quantize_nbits(w, false, s);
  EXPECT_EQ(q.scales.dtype, DType::F16);
  EXPECT_LT(q.max_error, 1.02);
}

TEST(NBits, RefusesWhatItCannotHold) {
  Tensor w = random_matrix(32, 8, 5);
  w.mutable_data<float>()[9] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW((void)quantize_nbits(w, false, {}), Error);
  w.mutable_data<float>()[9] = std::numeric_limits<float>::infinity();
  EXPECT_THROW((void)quantize_nbits(w, false, {}), Error);
  EXPECT_THROW((void)quantize_nbits(Tensor::make(DType::F32, {4}), false, {}), Error);
  EXPECT_THROW((void)quantize_nbits(Tensor::make(DType::I32, {4, 4}), false, {}), Error);
}

}  // namespace
}  // namespace lathe
