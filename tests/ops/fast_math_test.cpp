#include "ir/ops/fast_math.h"

#include <gtest/gtest.h>

#include <limits>

namespace lathe {
namespace {

// Largest error in units of the exact result's last place, over every 97th float of [low, high] and its
// negative.
template <class Fast, class Exact>
double worst_ulp(float low, float high, Fast fast, Exact exact) {
  double worst = 0;
  for (uint32_t bits = std::bit_cast<uint32_t>(low); bits < std::bit_cast<uint32_t>(high); bits += 97) {
    for (const float x : {std::bit_cast<float>(bits), -std::bit_cast<float>(bits)}) {
      const double want = exact(static_cast<double>(x));
      if (std::abs(want) < 1.2e-38 || std::abs(want) > 3.4e38) continue;
      const auto nearest = static_cast<float>(want);
      const double ulp = static_cast<double>(std::nextafter(std::abs(nearest), HUGE_VALF)) -
                         std::abs(static_cast<double>(nearest));
      worst = std::max(worst, std::abs(static_cast<double>(fast(x)) - want) / ulp);
    }
  }
  return worst;
}

constexpr float kInf = std::numeric_limits<float>::infinity();

TEST(FastMath, Exp) {
  EXPECT_LT(worst_ulp(
                1e-8f, 88.7f, [](float x) { return fast_exp(x); }, [](double x) { return std::exp(x); }),
            2.0);
  EXPECT_EQ(fast_exp(0.0f), 1.0f);
  EXPECT_EQ(fast_exp(kInf), kInf);
  EXPECT_EQ(fast_exp(89.0f), kInf);
  EXPECT_EQ(fast_exp(-kInf), 0.0f);
  EXPECT_EQ(fast_exp(-1000.0f), 0.0f);
  EXPECT_TRUE(std::isnan(fast_exp(std::nanf(""))));
  EXPECT_TRUE(std::isfinite(fast_exp(88.72f)));
}

TEST(FastMath, Tanh) {
  EXPECT_LT(worst_ulp(
                1e-8f, 30.0f, [](float x) { return fast_tanh(x); }, [](double x) { return std::tanh(x); }),
            3.0);
  EXPECT_EQ(fast_tanh(kInf), 1.0f);
  EXPECT_EQ(fast_tanh(-kInf), -1.0f);
  EXPECT_TRUE(std::signbit(fast_tanh(-0.0f)));
  EXPECT_TRUE(std::isnan(fast_tanh(std::nanf(""))));
}

TEST(FastMath, Erf) {
  EXPECT_LT(worst_ulp(
                1e-8f, 30.0f, [](float x) { return fast_erf(x); }, [](double x) { return std::erf(x); }),
            3.0);
  EXPECT_EQ(fast_erf(kInf), 1.0f);
  EXPECT_EQ(fast_erf(-kInf), -1.0f);
  EXPECT_TRUE(std::signbit(fast_erf(-0.0f)));
  EXPECT_TRUE(std::isnan(fast_erf(std::nanf(""))));
}

}  // namespace
}  // namespace lathe
