// exp, tanh and erf of floats without branches or calls, so that the compiler vectorizes loops over them;
// doubles use the C library. Polynomials are minimax fits made for this file; their errors over the whole
// range are held by tests/ops/fast_math_test.cpp.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>

namespace lathe {

inline double fast_exp(double x) { return std::exp(x); }
inline double fast_tanh(double x) { return std::tanh(x); }
inline double fast_erf(double x) { return std::erf(x); }

// Overflow gives infinity, what is below the smallest normal number gives 0, NaN stays.
inline float fast_exp(float x) {
  constexpr float kLow = -87.3365448f, kHigh = 88.7228394f;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves an integer in the low bits
  const float clamped = x < kLow ? kLow : x > kHigh ? kHigh : x;
  const float shifted = clamped * 1.44269504f + kRound;
  const float n = shifted - kRound;
  // ln 2 in two parts, the first with few bits: n times it is exact.
  const float r = (clamped - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 0.0013950486f;
  p = p * r + 0.0083688879f;
  p = p * r + 0.0416662060f;
  p = p * r + 0.1666651815f;
  p = p * r + 0.5f;
  p = p * r * r + r + 1.0f;
  // n reaches 128: two factors keep each power of two representable.
  const int32_t k = std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(kRound);
  const int32_t half = k >> 1;
  const float scale = std::bit_cast<float>((half + 127) << 23),
              rest = std::bit_cast<float>((k - half + 127) << 23);
  const float y = p * scale * rest;
  const float low = x < kLow ? 0.0f : y;
  const float high = x > kHigh ? HUGE_VALF : low;
  return x != x ? x : high;
}

inline float fast_tanh(float x) {
  const float a = std::abs(x), z = x * x;
  float p = -0.0057170368f;
  p = p * z + 0.0206505787f;
  p = p * z - 0.0537434965f;
  p = p * z + 0.1333149076f;
  p = p * z - 0.3333328366f;
  const float near = x + x * z * p;
  const float far = 1.0f - 2.0f / (fast_exp(2.0f * a) + 1.0f);
  const float y = std::copysign(a < 0.625f ? near : far, x);
  return x != x ? x : y;
}

inline float fast_erf(float x) {
  const float a = std::abs(x), z = x * x;
  float p = 8.3452251e-05f;
  p = p * z - 0.00081374374f;
  p = p * z + 0.00520063424f;
  p = p * z - 0.02685927041f;
  p = p * z + 0.11283694208f;
  p = p * z - 0.37612634897f;
  p = p * z + 0.12837916613f;
  const float near = x + x * p;
  // 1 - exp(-q(|x|)): q fits -log(erfc) up to 4, where erf is 1 to the last bit.
  const float t = a > 4.0f ? 4.0f : a;
  float q = 6.6282036e-07f;
  q = q * t + 1.2329891e-05f;
  q = q * t - 0.00038478500f;
  q = q * t + 0.0040133949f;
  q = q * t - 0.0248127915f;
  q = q * t + 0.1079057008f;
  q = q * t + 0.6336272955f;
  q = q * t + 1.1293970346f;
  q = q * t - 0.00015338219f;
  const float far = std::copysign(1.0f - fast_exp(-q), x);
  const float y = a < 0.92f ? near : far;
  return x != x ? x : y;
}

}  // namespace lathe
