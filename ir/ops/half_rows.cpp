#include "ir/ops/half_rows.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace lathe {
namespace {

#if defined(__x86_64__)
constexpr int64_t kLanes = 8;

bool has_f16c() {
  static const bool has = __builtin_cpu_supports("f16c") != 0 && __builtin_cpu_supports("avx") != 0;
  return has;
}

// Both: how many were converted.
__attribute__((target("avx,f16c"))) int64_t widen(const Half* from, float* to, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i))));
  return i;
}

__attribute__((target("avx,f16c"))) int64_t narrow(const float* from, Half* to, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT));
  return i;
}
#endif

}  // namespace

void widen_halves(const Half* from, float* to, int64_t n) {
  int64_t i = 0;
#if defined(__x86_64__)
  if (has_f16c()) i = widen(from, to, n);
#endif
  for (; i < n; ++i) to[i] = static_cast<float>(from[i]);
}

void narrow_to_halves(const float* from, Half* to, int64_t n) {
  int64_t i = 0;
#if defined(__x86_64__)
  if (has_f16c()) i = narrow(from, to, n);
#endif
  for (; i < n; ++i) to[i] = static_cast<Half>(from[i]);
}

}  // namespace lathe
