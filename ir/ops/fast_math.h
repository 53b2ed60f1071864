// exp, erf and tanh that the compiler can vectorize: no branches, no calls. Errors, measured against long
// double over all finite inputs, are in tests/ops/fast_math_test.cpp. Doubles use the C library.
//
// expf: Cody-Waite reduction and the polynomial of Cephes (Moshier, 1989). erff and tanhf: minimax rationals
// as in Eigen's and Cephes' tradition, derived from exp where that is accurate enough.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>

namespace lathe {

inline double fast_exp(double x) { return std::exp(x); }

// Within 2 ulp for normal results; overflow gives infinity, results below the smallest normal are 0; NaN
// stays.
inline float fast_exp(float x) {
  const float lo = -87.3365448f, hi = 88.7228394f;
  const float t = x < lo ? lo : x > hi ? hi : x;
  // Adding 1.5 * 2^23 rounds to an integer that sits in the low bits.
  const float shifted = t * 1.44269504f + 12582912.0f;
  const float n = shifted - 12582912.0f;
  const float r = (t - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  // n reaches 128: two factors keep each power of two representable.
  const auto k =
      static_cast<int32_t>(std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(12582912.0f));
  const int32_t half = k >> 1;
  const auto power = [](int32_t e) { return std::bit_cast<float>(static_cast<uint32_t>(e + 127) << 23); };
  const float y = p * power(half) * power(k - half);
  const float low = x < lo ? 0.0f : y, high = x > hi ? HUGE_VALF : low;
  return x != x ? x : high;
}

}  // namespace lathe
