// Weights as bytes, and smoothing on activations with channels that stand out.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ir/base/rng.h"
#include "ir/ops/convert.h"
#include "ir/ops/quant/affine.h"
#include "passes/quant/glob.h"
#include "passes/quant/int8/bytes.h"
#include "passes/quant/int8/sites.h"
#include "passes/quant/int8/smooth.h"

namespace lathe {
namespace {

Tensor bells(int64_t rows, int64_t columns, uint64_t seed, float size) {
  Rng rng(seed);
  Tensor t = Tensor::uninitialized(DType::F32, {rows, columns});
  for (float& x : t.mutable_data<float>()) x = rng.bell() * size;
  return t;
}

Tensor transposed(const Tensor& t) {
  Tensor out = Tensor::uninitialized(DType::F32, {t.dims[1], t.dims[0]});
  for (int64_t i = 0; i < t.dims[0]; ++i)
    for (int64_t j = 0; j < t.dims[1]; ++j)
      out.mutable_data<float>()[static_cast<size_t>(j * t.dims[0] + i)] =
          t.data<float>()[static_cast<size_t>(i * t.dims[1] + j)];
  return out;
}

TEST(Bytes, EveryValueIsMetWithinHalfAStep) {
  const Tensor w = bells(100, 70, 1, 0.1f);
  for (const bool is_signed : {true, false})
    for (const bool per_channel : {true, false})
      for (const bool reduce : {true, false}) {
        const ByteFormat f{is_signed, per_channel, reduce};
        const ByteWeight q = quantize_bytes(w, false, f);
        EXPECT_EQ(q.codes.dtype, is_signed ? DType::I8 : DType::U8);
        EXPECT_EQ(q.scales.count(), per_channel ? 70 : 1);
        const Tensor back = dequantize_bytes(q);
        int64_t least = 255, most = -255;
        for (int64_t i = 0; i < w.count(); ++i) {
          const auto at = static_cast<size_t>(i);
          const float step = q.scales.data<float>()[per_channel ? at % 70 : 0];
          EXPECT_LE(std::fabs(w.data<float>()[at] - back.data<float>()[at]), 0.5001f * step);
          least = std::min(least, q.codes.as_i64(i));
          most = std::max(most, q.codes.as_i64(i));
        }
        EXPECT_LE(most - least, reduce ? 128 : 255);
        if (is_signed) {
          EXPECT_EQ(std::max(-least, most), reduce ? 64 : 127);
        }
        const ByteWeight turned = quantize_bytes(transposed(w), true, f);
        EXPECT_TRUE(same_content(turned.codes, q.codes));
        EXPECT_TRUE(same_content(turned.scales, q.scales));
      }
}

TEST(Bytes, HalfFloatsAreWhatTheyStandFor) {
  const Tensor w = convert(bells(33, 5, 2, 1.0f), DType::F16);
  const ByteWeight a = quantize_bytes(w, false, {}), b = quantize_bytes(convert(w, DType::F32), false, {});
  EXPECT_TRUE(same_content(a.codes, b.codes));
}

TEST(Bytes, ZeroAndTinyColumnsAndWhatIsNotFinite) {
  Tensor w = Tensor::make(DType::F32, {70, 3});
  for (const bool is_signed : {true, false}) {
    const ByteFormat f{.is_signed = is_signed};
    EXPECT_EQ(quantize_bytes(w, false, f).rms_error, 0);
    w.mutable_data<float>()[4] = 1e-41f;
    const ByteWeight q = quantize_bytes(w, false, f);
    EXPECT_TRUE(std::isnormal(q.scales.data<float>()[1]));
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      w.mutable_data<float>()[4] = bad;
      EXPECT_THROW((void)quantize_bytes(w, false, f), Error);
    }
    w.mutable_data<float>()[4] = 0;
  }
  EXPECT_THROW((void)quantize_bytes(Tensor::make(DType::F32, {0, 3}), false, {}), Error);
}

TEST(Bytes, WhatColumnsLoseIsTheirDefinition) {
  const int64_t k = 70, n = 131;
  const Tensor w = bells(k, n, 6, 1.0f);
  std::vector<double> mean(static_cast<size_t>(k)), rounded(mean);
  for (size_t i = 0; i < mean.size(); ++i) {
    mean[i] = 0.1 * static_cast<double>(i % 7) - 0.2;
    rounded[i] = mean[i] + 0.01;
  }
  for (const bool is_signed : {true, false})
    for (const bool per_channel : {true, false}) {
      const ByteWeight q = quantize_bytes(w, false, {.is_signed = is_signed, .per_channel = per_channel});
      const Tensor back = dequantize_bytes(q);
      std::vector<double> want(static_cast<size_t>(n));
      for (int64_t i = 0; i < k; ++i)
        for (int64_t j = 0; j < n; ++j) {
          const auto at = static_cast<size_t>(i * n + j), row = static_cast<size_t>(i);
          want[static_cast<size_t>(j)] +=
              mean[row] * w.data<float>()[at] - rounded[row] * back.data<float>()[at];
          const auto code =
              static_cast<float>(q.codes.as_i64(i * n + j) - q.zero_points.as_i64(per_channel ? j : 0));
          EXPECT_EQ(back.data<float>()[at],
                    code * q.scales.data<float>()[per_channel ? static_cast<size_t>(j) : 0]);
        }
      EXPECT_EQ(lost_in_columns(w, false, q, mean, rounded), want);
      EXPECT_EQ(lost_in_columns(transposed(w), true, q, mean, rounded), want);
    }
}

// Error of x W when both are rounded to bytes as the pass does it.
double product_error(const Tensor& x, const Tensor& w) {
  const DynamicScale d = dynamic_scale(x);
  const Tensor codes = quantize(x, d.scale, &d.zero, DType::U8, {});
  const Tensor a = dequantize(codes, d.scale, &d.zero, DType::F32, {}),
               b = dequantize_bytes(quantize_bytes(w, false, {}));
  const int64_t k = x.dims[1], n = w.dims[1];
  double error = 0, all = 0;
  for (int64_t r = 0; r < x.dims[0]; ++r)
    for (int64_t c = 0; c < n; ++c) {
      double want = 0, got = 0;
      for (int64_t i = 0; i < k; ++i) {
        const auto xi = static_cast<size_t>(r * k + i), wi = static_cast<size_t>(i * n + c);
        want += static_cast<double>(x.data<float>()[xi]) * w.data<float>()[wi];
        got += static_cast<double>(a.data<float>()[xi]) * b.data<float>()[wi];
      }
      error += (want - got) * (want - got);
      all += want * want;
    }
  return std::sqrt(error / all);
}

TEST(Smooth, ChannelsThatStandOutNoLongerCostTheOthersTheirPrecision) {
  constexpr int64_t kRows = 48, kChannels = 64, kColumns = 32;
  Tensor x = bells(kRows, kChannels, 3, 1), w = bells(kChannels, kColumns, 4, 0.1f);
  for (int64_t r = 0; r < kRows;
       ++r)  // as activations of transformers are: two channels are 60 times the rest
    for (const int64_t c : {5, 40}) x.mutable_data<float>()[static_cast<size_t>(r * kChannels + c)] *= 60;
  for (int64_t c = 0; c < kColumns; ++c)
    for (const int64_t k : {5, 40}) w.mutable_data<float>()[static_cast<size_t>(k * kColumns + c)] *= 0.1f;
  ChannelStats stats;
  stats.k = kChannels;
  stats.low.assign(kChannels, 0);
  stats.high.assign(kChannels, 0);
  std::vector<float> largest(kChannels);
  for (int64_t i = 0; i < x.count(); ++i) {
    const auto c = static_cast<size_t>(i % kChannels);
    stats.low[c] = std::min(stats.low[c], x.data<float>()[static_cast<size_t>(i)]);
    stats.high[c] = std::max(stats.high[c], x.data<float>()[static_cast<size_t>(i)]);
  }
  for (int64_t i = 0; i < w.count(); ++i)
    largest[static_cast<size_t>(i / kColumns)] = std::max(largest[static_cast<size_t>(i / kColumns)],
                                                          std::fabs(w.data<float>()[static_cast<size_t>(i)]));
  const std::vector<float> factor = smooth_factors(stats, largest, 0.7);
  EXPECT_GT(factor[5], 10);
  for (const float f : factor) EXPECT_GE(f, 1);
  Tensor even = Tensor::uninitialized(DType::F32, x.dims), heavy = Tensor::uninitialized(DType::F32, w.dims);
  for (int64_t i = 0; i < x.count(); ++i)
    even.mutable_data<float>()[static_cast<size_t>(i)] =
        x.data<float>()[static_cast<size_t>(i)] / factor[static_cast<size_t>(i % kChannels)];
  for (int64_t i = 0; i < w.count(); ++i)
    heavy.mutable_data<float>()[static_cast<size_t>(i)] =
        w.data<float>()[static_cast<size_t>(i)] * factor[static_cast<size_t>(i / kColumns)];
  EXPECT_LT(product_error(even, heavy), 0.33 * product_error(x, w));
}

TEST(Smooth, DeadChannelsAndDeadWeightsGiveFiniteFactors) {
  ChannelStats stats;
  stats.k = 4;
  stats.low = {0, -1e30f, 0, 0};
  stats.high = {0, 1, 1e-30f, 0};
  for (const double power : {0.0, 0.5, 1.0})
    for (const float f : smooth_factors(stats, std::vector<float>{0, 0, 1, 1e20f}, power)) {
      EXPECT_TRUE(std::isfinite(f));
      EXPECT_GE(f, 1);
    }
}

TEST(KeepPatterns, MatchWholeNames) {
  EXPECT_TRUE(glob_matches("*layer.1*", "/m/layer.1/dense"));
  EXPECT_TRUE(glob_matches("*", ""));
  EXPECT_TRUE(glob_matches("a*b*c", "aXbXbYc"));
  EXPECT_FALSE(glob_matches("layer", "layer.1"));
  EXPECT_FALSE(glob_matches("a*b", "a"));
}

}  // namespace
}  // namespace lathe
