// Integer arithmetic with the wrap of two's complement (numpy's), free of undefined behaviour; float twins
// beside, so that one functor serves every element type.
#pragma once
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "ir/base/error.h"

namespace lathe {

// Unsigned type in which T's arithmetic wraps (never promoted to int).
template <class T>
using Wrap = std::conditional_t<(sizeof(T) < 4), uint32_t, std::make_unsigned_t<T>>;

template <class T>
T wrap_add(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(static_cast<Wrap<T>>(a) + static_cast<Wrap<T>>(b));
  else
    return a + b;
}
template <class T>
T wrap_sub(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(static_cast<Wrap<T>>(a) - static_cast<Wrap<T>>(b));
  else
    return a - b;
}
template <class T>
T wrap_mul(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(static_cast<Wrap<T>>(a) * static_cast<Wrap<T>>(b));
  else
    return a * b;
}
template <class T>
T wrap_neg(T a) {
  if constexpr (std::is_integral_v<T>)
    return wrap_sub(T{0}, a);
  else
    return -a;
}

// Truncates to zero; the smallest value / -1 wraps to itself; division by zero is an input error.
template <class T>
T checked_div(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    if (b == 0) fail("integer division by zero");
    if constexpr (std::is_signed_v<T>)
      if (b == -1) return wrap_neg(a);
    return static_cast<T>(a / b);
  } else {
    return a / b;
  }
}

// Remainder with the sign of the dividend (C's).
template <class T>
T checked_rem(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    if (b == 0) fail("integer division by zero");
    if constexpr (std::is_signed_v<T>)
      if (b == -1) return 0;
    return static_cast<T>(a % b);
  } else {
    return std::fmod(a, b);
  }
}

// Remainder with the sign of the divisor (Python's), a zero too.
template <class T>
T checked_mod(T a, T b) {
  const T r = checked_rem(a, b);
  if (r == 0) {
    if constexpr (std::is_floating_point_v<T>) return std::copysign(r, b);
    return r;
  }
  return (r < 0) != (b < 0) ? static_cast<T>(r + b) : r;
}

// Integer power by squaring, wrapping; a negative exponent is 1 / a^|n| truncated.
template <class T>
T int_pow(T a, int64_t n) {
  if (n < 0) {
    if (a == 0) fail("zero to a negative integer power");
    if (a == 1) return 1;
    if constexpr (std::is_signed_v<T>)
      if (a == -1) return n % 2 == 0 ? T{1} : T{-1};
    return 0;
  }
  T result = 1;
  for (uint64_t left = static_cast<uint64_t>(n); left > 0; left >>= 1) {
    if (left & 1) result = wrap_mul(result, a);
    a = wrap_mul(a, a);
  }
  return result;
}

// Float to integer without undefined behaviour: truncates, saturates at T's range, NaN gives 0.
template <class T, class F>
T to_int(F v) {
  if (std::isnan(v)) return 0;
  const F top = std::ldexp(F{1}, std::numeric_limits<T>::digits);  // first value above T's range
  if (v >= top) return std::numeric_limits<T>::max();
  if (std::is_signed_v<T> ? v < -top : v <= F{-1}) return std::numeric_limits<T>::min();
  return static_cast<T>(v);
}

}  // namespace lathe
