// Ranges from histograms, and codes of a range.
#include "passes/quant/static/ranges.h"

#include <gtest/gtest.h>

#include <cmath>

#include "passes/quant/static/codes.h"

namespace lathe {
namespace {

// Bell-shaped around zero in [-10, 10], and a few elements at the upper end.
Histogram with_outliers(double sigma, uint64_t outliers) {
  Histogram h{{-10, 10}, std::vector<uint64_t>(2048)};
  for (size_t i = 0; i < h.counts.size(); ++i) {
    const double x = h.center(i) / sigma;
    h.counts[i] = static_cast<uint64_t>(1e6 * std::exp(-x * x / 2));
  }
  h.counts.back() += outliers;
  return h;
}

TEST(Ranges, AllOfItOrAllButTheOutliers) {
  const Histogram h = with_outliers(0.5, 30);
  const CodeRange all = choose_range(h, {.method = RangeMethod::minmax});
  EXPECT_EQ(all.low, -10);
  EXPECT_EQ(all.high, 10);
  for (const RangeMethod m : {RangeMethod::percentile, RangeMethod::entropy, RangeMethod::mse}) {
    const CodeRange r = choose_range(h, {.method = m, .percentile = 99.99});
    EXPECT_LT(r.high, 6) << static_cast<int>(m);
    EXPECT_GT(r.high, 0.7) << static_cast<int>(m);
    EXPECT_LT(r.low, -0.7) << static_cast<int>(m);
    EXPECT_GT(r.low, -6) << static_cast<int>(m);
  }
}

TEST(Ranges, OutliersThatCountAreKept) {
  const Histogram h = with_outliers(0.5, 100'000'000);
  EXPECT_GT(choose_range(h, {.method = RangeMethod::mse}).high, 9);
}

TEST(Ranges, EmptyOnesHaveAScale) {
  for (const RangeMethod m :
       {RangeMethod::minmax, RangeMethod::percentile, RangeMethod::entropy, RangeMethod::mse}) {
    const CodeRange r = choose_range({{0, 0}, std::vector<uint64_t>(2048)}, {.method = m});
    for (const DType t : {DType::U8, DType::I8, DType::U16, DType::I16, DType::F8E4M3FN})
      for (const bool symmetric : {true, false}) EXPECT_GT(codes_of(r, t, symmetric).scale.as_double(0), 0);
  }
}

TEST(Codes, ZeroIsACode) {
  for (const CodeRange r : {CodeRange{-1, 3}, CodeRange{0, 6}, CodeRange{-2, 0}, CodeRange{-1e-30, 1e-30}})
    for (const bool symmetric : {true, false}) {
      const Codes c = codes_of(r, DType::U8, symmetric);
      const double zero = c.zero.as_double(0), step = c.scale.as_double(0);
      EXPECT_EQ(zero, std::floor(zero));
      EXPECT_LE((255 - zero) * step, 4 * std::max(r.high, 1e-30) + 3);
      if (!symmetric && r.low == 0) {
        EXPECT_EQ(zero, 0);
      }
    }
}

TEST(Codes, WeightsOfAnyAxisComeBackWithinHalfAStep) {
  Tensor w = Tensor::uninitialized(DType::F32, {4, 3, 2, 5});
  for (int64_t i = 0; i < w.count(); ++i)
    w.mutable_data<float>()[static_cast<size_t>(i)] =
        std::sin(static_cast<float>(i)) * static_cast<float>(1 + i % 7);
  for (const int64_t axis : {0, 1, 3})
    for (const DType t : {DType::U8, DType::F8E4M3FN}) {
      const CodedWeight q = code_weight(w, axis, {}, t);
      EXPECT_EQ(q.scales.count(), w.dims[static_cast<size_t>(axis)]);
      const Tensor back = decode_weight(q, axis);
      for (int64_t i = 0; i < w.count(); ++i) {
        const double x = w.as_double(i), step = t == DType::U8 ? 7.0 / 127 : std::fabs(x) / 8 + 0.01;
        EXPECT_NEAR(back.as_double(i), x, 0.51 * step) << axis;
      }
    }
}

}  // namespace
}  // namespace lathe
