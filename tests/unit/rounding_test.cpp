// Each rounding method against plain rounding, on the error that it is there to lower.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ir/base/rng.h"
#include "passes/quant/layout.h"
#include "passes/quant/nbits.h"

namespace lathe {
namespace {

// Bell-shaped with outliers, as trained weights are.
Tensor weights(int64_t k, int64_t n, uint64_t seed) {
  Rng rng(seed);
  Tensor t = Tensor::uninitialized(DType::F32, {k, n});
  for (float& x : t.mutable_data<float>()) x = rng.bell() * (rng.uniform() < 0.02 ? 4.0f : 1.0f) * 0.05f;
  return t;
}

double rms(const Tensor& w, const Scheme& s, const WeightInput& input = {}) {
  return quantize_nbits(w, false, s, input).rms_error;
}

TEST(Rounding, SearchedScalesHaveLessError) {
  const Tensor w = weights(256, 96, 1);
  for (const int bits : {2, 4, 8})
    for (const bool symmetric : {true, false})
      for (const DType scales : {DType::F32, DType::F16, DType::BF16}) {
        Scheme s{.bits = bits, .symmetric = symmetric, .scales = scales};
        const double plain = rms(w, s);
        s.rounding = Rounding::mse;
        EXPECT_LT(rms(w, s), plain * (bits == 2 ? 0.9 : bits == 4 ? 0.98 : 1.0)) << bits << symmetric;
      }
}

TEST(Rounding, ImportantRowsAreMetMoreClosely) {
  const Tensor w = weights(64, 64, 2);
  std::vector<float> importance(64, 0.01f);
  for (size_t i = 0; i < 64; i += 8) importance[i] = 10;
  const Scheme s{.symmetric = false, .rounding = Rounding::mse};
  const auto error = [&](const WeightInput& input) {
    const Tensor back = dequantize_nbits(quantize_nbits(w, false, s, input), 64, 64, false, s);
    double sum = 0;
    for (size_t i = 0; i < 64 * 64; ++i)
      sum += importance[i / 64] * std::pow(w.data<float>()[i] - back.data<float>()[i], 2.0);
    return sum;
  };
  EXPECT_LT(error({.importance = importance}), 0.8 * error({}));
}

TEST(Rounding, HalfQuadraticErrorsHaveNoMean) {
  const Tensor w = weights(256, 64, 3);
  const auto drift = [&](const Scheme& s) {
    const Tensor back = dequantize_nbits(quantize_nbits(w, false, s), 256, 64, false, s);
    double sum = 0;
    for (int64_t c = 0; c < 64; ++c)
      for (int64_t b = 0; b < 256 / s.block; ++b) {
        double mean = 0;
        for (int64_t r = b * s.block; r < (b + 1) * s.block; ++r) {
          const auto at = static_cast<size_t>(r * 64 + c);
          mean += w.data<float>()[at] - back.data<float>()[at];
        }
        sum += mean * mean;
      }
    return sum;
  };
  const Scheme plain{.symmetric = false};
  Scheme s = plain;
  s.rounding = Rounding::hqq;
  s.float_zero = true;
  EXPECT_LT(drift(s), 0.5 * drift(plain));
  EXPECT_LT(rms(w, s), 1.02 * rms(w, plain));
}

// Second moments of inputs that go together: x_i = common + own.
std::vector<float> correlated_gram(int64_t k) {
  std::vector<float> gram(static_cast<size_t>(k * k));
  for (int64_t i = 0; i < k; ++i)
    for (int64_t j = 0; j < k; ++j)
      gram[static_cast<size_t>(i * k + j)] =
          0.8f + (i == j ? 0.2f + 0.01f * static_cast<float>(i % 7) : 0.0f);
  return gram;
}

double product_error(const Tensor& w, const Tensor& back, const std::vector<float>& gram) {
  const int64_t k = w.dims[0], n = w.dims[1];
  double sum = 0;
  for (int64_t c = 0; c < n; ++c) {
    std::vector<double> e(static_cast<size_t>(k));
    for (int64_t i = 0; i < k; ++i)
      e[static_cast<size_t>(i)] = static_cast<double>(w.data<float>()[static_cast<size_t>(i * n + c)]) -
                                  back.data<float>()[static_cast<size_t>(i * n + c)];
    for (int64_t i = 0; i < k; ++i)
      for (int64_t j = 0; j < k; ++j)
        sum += e[static_cast<size_t>(i)] * gram[static_cast<size_t>(i * k + j)] * e[static_cast<size_t>(j)];
  }
  return sum;
}

TEST(Rounding, GptqLowersTheErrorOfTheProduct) {
  for (const int64_t k : {128, 100}) {
    const Tensor w = weights(k, 70, 4);
    const std::vector<float> gram = correlated_gram(k);
    const GptqFactor factor = gptq_factor(gram, k);
    std::vector<float> importance(static_cast<size_t>(k));
    for (int64_t i = 0; i < k; ++i) importance[static_cast<size_t>(i)] = gram[static_cast<size_t>(i * k + i)];
    Scheme s{.symmetric = false, .rounding = Rounding::mse};
    const double plain =
        product_error(w, dequantize_nbits(quantize_nbits(w, false, s), k, 70, false, s), gram);
    s.rounding = Rounding::gptq;
    const NBitsWeight q = quantize_nbits(w, false, s, {importance, &factor});
    EXPECT_LT(product_error(w, dequantize_nbits(q, k, 70, false, s), gram), 0.5 * plain);
  }
}

TEST(Rounding, TheFactorIsThatOfTheInverse) {
  const int64_t k = 24;
  const std::vector<float> gram = correlated_gram(k);
  const GptqFactor f = gptq_factor(gram, k, 1e-9);
  // H U^T U = 1, in the factor's order.
  for (int64_t i = 0; i < k; ++i)
    for (int64_t j = 0; j < k; ++j) {
      double sum = 0;
      for (int64_t m = 0; m < k; ++m)
        for (int64_t r = 0; r <= std::min(m, j); ++r)
          sum += static_cast<double>(gram[static_cast<size_t>(f.order[static_cast<size_t>(i)] * k +
                                                              f.order[static_cast<size_t>(m)])]) *
                 f.upper[static_cast<size_t>(r * k + m)] * f.upper[static_cast<size_t>(r * k + j)];
      EXPECT_NEAR(sum, i == j ? 1 : 0, 1e-4);
    }
}

TEST(Rounding, DeadInputsDoNotBreakTheFactor) {
  std::vector<float> gram(16 * 16, 0.0f);
  gram[0] = 1;
  const GptqFactor f = gptq_factor(gram, 16);
  EXPECT_TRUE(std::isfinite(f.upper[0]));
  EXPECT_NO_THROW((void)gptq_factor(std::vector<float>(16 * 16, 0.0f), 16));
  gram[3] = std::numeric_limits<float>::quiet_NaN();
  gram[17] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW((void)gptq_factor(gram, 16), Error);
}

TEST(Rounding, EveryMethodTakesZeroBlocksAndRefusesWhatIsNotFinite) {
  for (const Rounding r : {Rounding::rtn, Rounding::mse, Rounding::hqq})
    for (const bool symmetric : {true, false}) {
      const Scheme s{.symmetric = symmetric, .scales = DType::F16, .rounding = r};
      Tensor w = Tensor::make(DType::F32, {70, 3});
      EXPECT_EQ(rms(w, s), 0);
      w.mutable_data<float>()[5] = 1e-42f;
      EXPECT_NO_THROW((void)rms(w, s));
      for (const float bad :
           {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1e30f}) {
        w.mutable_data<float>()[5] = bad;
        EXPECT_THROW((void)rms(w, s), Error) << bad;
      }
    }
}

TEST(Layout, StandardFormHoldsTheSameNumbers) {
  const Tensor w = weights(50, 9, 6);
  for (const int bits : {4, 8})
    for (const bool symmetric : {true, false})
      for (const bool by_rows : {true, false}) {
        const Scheme s{.bits = bits, .block = 16, .symmetric = symmetric};
        const NBitsWeight q = quantize_nbits(w, false, s);
        const Tensor want = dequantize_nbits(q, 50, 9, by_rows, s);
        const StandardWeight made = standard_weight(q, 50, 9, by_rows, s);
        for (int64_t k = 0; k < 50; ++k)
          for (int64_t n = 0; n < 9; ++n) {
            const int64_t at = by_rows ? n * 50 + k : k * 9 + n,
                          b = by_rows ? n * 4 + k / 16 : k / 16 * 9 + n;
            const double zero = symmetric ? 0 : made.zero_points.as_double(b);
            EXPECT_FLOAT_EQ(static_cast<float>((made.codes.as_double(at) - zero) * made.scales.as_double(b)),
                            want.data<float>()[static_cast<size_t>(at)]);
          }
      }
}

TEST(Layout, TableRowsEndWithTheirValues) {
  const Tensor w = weights(40, 6, 7);  // 40 is not a multiple of 16
  const Scheme s{.block = 16};
  const NBitsWeight q = quantize_nbits(w, false, s);
  const Tensor rows = table_codes(q, 40, s);
  EXPECT_EQ(rows.dims, (std::vector<int64_t>{6, 20}));
  EXPECT_EQ(rows.bytes()[20], q.codes.bytes()[24]);
  EXPECT_THROW((void)table_codes(q, 39, s), Error);
}

}  // namespace
}  // namespace lathe
