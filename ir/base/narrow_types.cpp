#include "ir/base/narrow_types.h"

#include <bit>
#include <cmath>
#include <limits>

namespace lathe {
namespace {

int magnitude_bits(const MiniFloat& f) { return f.exponent_bits + f.mantissa_bits; }

// Largest finite magnitude code.
int max_code(const MiniFloat& f) {
  const int all = (1 << magnitude_bits(f)) - 1;
  if (f.has_inf) return all - (1 << f.mantissa_bits);  // below the inf/NaN exponent
  return f.all_ones_nan ? all - 1 : all;
}

float magnitude(const MiniFloat& f, int code) {
  const int e = code >> f.mantissa_bits, m = code & ((1 << f.mantissa_bits) - 1);
  const float fraction = std::ldexp(static_cast<float>(m), -f.mantissa_bits);
  return e == 0 ? std::ldexp(fraction, 1 - f.bias) : std::ldexp(1.0f + fraction, e - f.bias);
}

}  // namespace

float decode_mini(const MiniFloat& f, uint8_t bits) {
  const int width = magnitude_bits(f), sign = (bits >> width) & 1, code = bits & ((1 << width) - 1);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  if (f.only_neg_zero_nan && sign && code == 0) return nan;
  if (code > max_code(f)) {
    if (f.has_inf && code == max_code(f) + 1)
      return sign ? -std::numeric_limits<float>::infinity() : std::numeric_limits<float>::infinity();
    return nan;
  }
  const float v = magnitude(f, code);
  return sign ? -v : v;
}

uint8_t encode_mini(const MiniFloat& f, float value, bool saturate) {
  const int width = magnitude_bits(f), top = max_code(f);
  const int sign = std::signbit(value) ? 1 : 0;
  const auto pack = [&](int code) {
    if (f.only_neg_zero_nan && code == 0) return uint8_t{0};  // no -0
    return static_cast<uint8_t>((sign << width) | code);
  };
  const auto nan_code = [&]() -> uint8_t {
    if (f.only_neg_zero_nan) return static_cast<uint8_t>(1 << width);
    if (f.has_inf || f.all_ones_nan) return static_cast<uint8_t>((sign << width) | ((1 << width) - 1));
    return static_cast<uint8_t>((sign ^ 1) << width);  // without NaN: -0, as ONNX's cases have it
  };
  if (std::isnan(value)) return nan_code();
  const float a = std::fabs(value), limit = magnitude(f, top);
  const auto overflow = [&]() -> uint8_t {
    if (saturate) return pack(top);
    return f.has_inf ? pack(top + 1) : nan_code();
  };
  if (std::isinf(value)) return overflow();
  if (a == 0) return pack(0);
  // Scale so that one unit is the spacing at this exponent, then round to nearest even.
  int e = 0;
  std::frexp(a, &e);                                 // a = m * 2^e, m in [0.5, 1)
  const int exponent = std::max(e - 1, 1 - f.bias);  // subnormals share the smallest exponent
  const float units = std::ldexp(a, f.mantissa_bits - exponent);
  const float rounded = std::nearbyint(units);
  const float back = std::ldexp(rounded, exponent - f.mantissa_bits);
  if (back > limit) return overflow();
  const int steps = static_cast<int>(rounded);  // below 2^(mantissa_bits+1), that value included
  const int code = exponent == 1 - f.bias
                       ? steps
                       : ((exponent + f.bias) << f.mantissa_bits) + (steps - (1 << f.mantissa_bits));
  return pack(code);
}

float decode_e8m0(uint8_t bits) {
  return bits == 0xff ? std::numeric_limits<float>::quiet_NaN() : std::ldexp(1.0f, int{bits} - 127);
}

uint8_t encode_e8m0(float value, bool saturate, char round) {
  if (std::isnan(value)) return 0xff;
  const float a = std::fabs(value);
  if (std::isinf(a)) return saturate ? 0xfe : 0xff;
  if (a == 0) return 0;
  int e = 0;
  const float m = std::frexp(a, &e);  // [0.5, 1): value = 2m * 2^(e-1)
  int exponent = e - 1;
  const bool power = m == 0.5f;
  if (!power && (round == 'u' || (round == 'n' && m >= 0.75f))) ++exponent;
  if (exponent > 127) return saturate ? 0xfe : 0xff;
  return static_cast<uint8_t>(std::max(exponent + 127, 0));
}

}  // namespace lathe
