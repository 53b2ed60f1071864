// Checked 64-bit arithmetic for sizes that come from a file. Overflow is an input error, never a wrap.
#pragma once
#include <cstdint>
#include <span>

#include "ir/base/error.h"

namespace lathe {

inline int64_t checked_add(int64_t a, int64_t b) {
  int64_t r;
  if (__builtin_add_overflow(a, b, &r)) fail("size overflows: {} + {}", a, b);
  return r;
}

inline int64_t checked_mul(int64_t a, int64_t b) {
  int64_t r;
  if (__builtin_mul_overflow(a, b, &r)) fail("size overflows: {} x {}", a, b);
  return r;
}

// Number of elements of a shape; negative dims are an input error. A zero anywhere gives 0 without overflow.
inline int64_t element_count(std::span<const int64_t> dims) {
  int64_t n = 1;
  bool zero = false;
  for (int64_t d : dims) {
    if (d < 0) fail("negative dimension {}", d);
    if (d == 0) zero = true;
  }
  if (zero) return 0;
  for (int64_t d : dims) n = checked_mul(n, d);
  return n;
}

}  // namespace lathe
