#include "ir/ops/math/gemm_pack.h"

#include <algorithm>
#include <cstring>

#if defined(__SSE__)
#include <immintrin.h>
#endif

#include "ir/ops/math/gemm_micro.h"

namespace lathe {
namespace {

template <class T>
T load(const T* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

// to[j * to_step + i] = from[i * from_step + j] for 4 x 4.
template <class T>
void transpose_4x4(const T* from, int64_t from_step, T* to, int64_t to_step) {
#if defined(__SSE__)
  if constexpr (sizeof(T) == sizeof(float)) {
    __m128 a = _mm_loadu_ps(from), b = _mm_loadu_ps(from + from_step), c = _mm_loadu_ps(from + 2 * from_step),
           d = _mm_loadu_ps(from + 3 * from_step);
    _MM_TRANSPOSE4_PS(a, b, c, d);
    _mm_storeu_ps(to, a);
    _mm_storeu_ps(to + to_step, b);
    _mm_storeu_ps(to + 2 * to_step, c);
    _mm_storeu_ps(to + 3 * to_step, d);
    return;
  }
#endif
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) to[j * to_step + i] = load(from + i * from_step + j);
}

template <class T>
void transpose(const T* from, int64_t from_step, int64_t rows, int64_t columns, T* to, int64_t to_step) {
  int64_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    int64_t j = 0;
    for (; j + 4 <= columns; j += 4)
      transpose_4x4(from + i * from_step + j, from_step, to + j * to_step + i, to_step);
    for (; j < columns; ++j)
      for (int64_t r = i; r < i + 4; ++r) to[j * to_step + r] = load(from + r * from_step + j);
  }
  for (; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) to[j * to_step + i] = load(from + i * from_step + j);
}

}  // namespace

template <class T>
void pack_strip(const T* a, int64_t lda, bool trans, int64_t rows, int64_t k, T* to) {
  if (trans) return transpose(a, lda, k, rows, to, kStripStride);
  for (int64_t i = 0; i < rows; ++i)
    std::memcpy(to + i * kStripStride, a + i * lda, static_cast<size_t>(k) * sizeof(T));
}

template <class T>
void pack_panels(const T* b, int64_t ldb, bool trans, int64_t k, int64_t n, int64_t width, T* to) {
  const int64_t whole = n / width, rest = n % width;
  T* last = to + whole * k * width;
  if (rest > 0) std::fill_n(last, k * width, T{0});
  if (trans) {
    for (int64_t j = 0; j < n; j += width)
      transpose(b + j * ldb, ldb, std::min(width, n - j), k, to + j * k, width);
    return;
  }
  const auto rows_of = [&]<int64_t Width>() {
    constexpr int64_t kAhead = 6, kLine = 64 / sizeof(T);
    for (int64_t p = 0; p < k; ++p) {
      const T* row = b + p * ldb;
      if (p + kAhead < k)  // the stride is too long for the processor to see
        for (int64_t j = 0; j < n; j += kLine) __builtin_prefetch(row + kAhead * ldb + j);
      for (int64_t j = 0; j < whole; ++j)
        std::memcpy(to + (j * k + p) * Width, row + j * Width, static_cast<size_t>(Width) * sizeof(T));
      if (rest > 0) std::memcpy(last + p * Width, row + whole * Width, static_cast<size_t>(rest) * sizeof(T));
    }
  };
  if (width == 32) return rows_of.template operator()<32>();
  if (width == 16) return rows_of.template operator()<16>();
  rows_of.template operator()<8>();
}

template void pack_strip<float>(const float*, int64_t, bool, int64_t, int64_t, float*);
template void pack_strip<double>(const double*, int64_t, bool, int64_t, int64_t, double*);
template void pack_panels<float>(const float*, int64_t, bool, int64_t, int64_t, int64_t, float*);
template void pack_panels<double>(const double*, int64_t, bool, int64_t, int64_t, int64_t, double*);

}  // namespace lathe
