#include "ir/ops/math/gemm_micro.h"

#include <cmath>
#include <cstring>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#define LATHE_AVX512 __attribute__((target("avx512f,fma")))
#define LATHE_AVX2 __attribute__((target("avx2,fma")))
#endif

namespace lathe {
namespace {

constexpr int64_t kDotLanes = 32;

// Lanes in a fixed tree.
template <class T>
T sum_lanes(T* lanes) {
  for (int64_t half = kDotLanes / 2; half > 0; half /= 2)
    for (int64_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  return lanes[0];
}

template <class T>
T multiply_add(T a, T b, T c) {
#if defined(__x86_64__) && !defined(__FMA__)
  return a * b + c;  // a processor before 2013: a call per element otherwise
#else
  return std::fma(a, b, c);
#endif
}

template <class T>
struct Plain {
  static constexpr int kRows = 4, kLanes = 8;

  template <int R, int N>
  static void strip(int64_t k, const T* a, const T* b, int64_t step, T* c, int64_t ldc, T alpha, T beta) {
    T sum[R][N * kLanes] = {};
    for (int64_t p = 0; p < k; ++p, ++a, b += step) {
      T row[N * kLanes];
      std::memcpy(row, b, sizeof row);
      for (int r = 0; r < R; ++r)
        for (int j = 0; j < N * kLanes; ++j) sum[r][j] = multiply_add(a[r * kStripStride], row[j], sum[r][j]);
    }
    for (int r = 0; r < R; ++r) {
      for (int j = 0; j < N * kLanes; ++j) {
        T& to = c[r * ldc + j];
        to = beta == 0 ? alpha * sum[r][j] : multiply_add(beta, to, alpha * sum[r][j]);
      }
    }
  }

  static T dot(int64_t k, const T* a, const T* b) {
    T lanes[kDotLanes] = {};
    for (int64_t p = 0; p < k; p += kDotLanes) {
      T x[kDotLanes] = {}, y[kDotLanes] = {};
      const size_t bytes = static_cast<size_t>(std::min(kDotLanes, k - p)) * sizeof(T);
      std::memcpy(x, a + p, bytes);
      std::memcpy(y, b + p, bytes);
      for (int64_t i = 0; i < kDotLanes; ++i) lanes[i] = multiply_add(x[i], y[i], lanes[i]);
    }
    return sum_lanes(lanes);
  }
};

#if defined(__x86_64__)

// One set of instructions: vector type, lanes, rows of the tallest strip, and the three operations. A
// template cannot take its target from a parameter, so the loops below are spelled once a target, by macro.
#define LATHE_OPERATIONS(NAME, TARGET, SCALAR, VECTOR, LANES, ROWS, PREFIX, SUFFIX)                     \
  struct NAME {                                                                                         \
    using T = SCALAR;                                                                                   \
    using V = VECTOR;                                                                                   \
    static constexpr int kLanes = LANES, kRows = ROWS;                                                  \
    TARGET static V load(const T* p) { return PREFIX##_loadu_##SUFFIX(p); }                             \
    TARGET static void store(T* p, V v) { PREFIX##_storeu_##SUFFIX(p, v); }                             \
    TARGET static V all(T x) { return PREFIX##_set1_##SUFFIX(x); }                                      \
    TARGET static V fma(V a, V b, V c) { return PREFIX##_fmadd_##SUFFIX(a, b, c); }                     \
    TARGET static V mul(V a, V b) { return PREFIX##_mul_##SUFFIX(a, b); }                               \
  };                                                                                                    \
  template <int R, int N>                                                                               \
  struct NAME##Strip {                                                                                  \
    using W = NAME;                                                                                     \
    using T = W::T;                                                                                     \
    TARGET static void run(int64_t k, const T* a, const T* b, int64_t step, T* c, int64_t ldc, T alpha, \
                           T beta) {                                                                    \
      W::V sum[R][N];                                                                                   \
      _Pragma("GCC unroll 12") for (int r = 0; r < R; ++r)                                              \
          _Pragma("GCC unroll 4") for (int j = 0; j < N; ++j) sum[r][j] = W::all(0);                    \
      for (int64_t p = 0; p < k; ++p, ++a, b += step) {                                                 \
        W::V row[N];                                                                                    \
        _Pragma("GCC unroll 4") for (int j = 0; j < N; ++j) row[j] = W::load(b + j * W::kLanes);        \
        _Pragma("GCC unroll 12") for (int r = 0; r < R; ++r) {                                          \
          const W::V x = W::all(a[r * kStripStride]);                                                   \
          _Pragma("GCC unroll 4") for (int j = 0; j < N; ++j) sum[r][j] = W::fma(x, row[j], sum[r][j]); \
        }                                                                                               \
      }                                                                                                 \
      const W::V scale = W::all(alpha), keep = W::all(beta);                                            \
      _Pragma("GCC unroll 12") for (int r = 0; r < R; ++r) {                                            \
        _Pragma("GCC unroll 4") for (int j = 0; j < N; ++j) {                                           \
          T* to = c + r * ldc + j * W::kLanes;                                                          \
          const W::V y = W::mul(scale, sum[r][j]);                                                      \
          W::store(to, beta == 0 ? y : W::fma(keep, W::load(to), y));                                   \
        }                                                                                               \
      }                                                                                                 \
    }                                                                                                   \
  };                                                                                                    \
  TARGET NAME::T NAME##_dot(int64_t k, const NAME::T* a, const NAME::T* b) {                            \
    using W = NAME;                                                                                     \
    constexpr int kVectors = kDotLanes / W::kLanes;                                                     \
    W::V sum[kVectors];                                                                                 \
    for (auto& s : sum) s = W::all(0);                                                                  \
    int64_t p = 0;                                                                                      \
    for (; p + kDotLanes <= k; p += kDotLanes)                                                          \
      _Pragma("GCC unroll 8") for (int v = 0; v < kVectors; ++v) sum[v] =                               \
          W::fma(W::load(a + p + v * W::kLanes), W::load(b + p + v * W::kLanes), sum[v]);               \
    W::T x[kDotLanes] = {}, y[kDotLanes] = {};                                                          \
    if (p < k) {                                                                                        \
      std::memcpy(x, a + p, static_cast<size_t>(k - p) * sizeof(W::T));                                 \
      std::memcpy(y, b + p, static_cast<size_t>(k - p) * sizeof(W::T));                                 \
      for (int v = 0; v < kVectors; ++v)                                                                \
        sum[v] = W::fma(W::load(x + v * W::kLanes), W::load(y + v * W::kLanes), sum[v]);                \
    }                                                                                                   \
    for (int v = 0; v < kVectors; ++v) W::store(x + v * W::kLanes, sum[v]);                             \
    return sum_lanes(x);                                                                                \
  }

LATHE_OPERATIONS(Wide32, LATHE_AVX512, float, __m512, 16, 12, _mm512, ps)
LATHE_OPERATIONS(Wide64, LATHE_AVX512, double, __m512d, 8, 12, _mm512, pd)
LATHE_OPERATIONS(Half32, LATHE_AVX2, float, __m256, 8, 6, _mm256, ps)
LATHE_OPERATIONS(Half64, LATHE_AVX2, double, __m256d, 4, 6, _mm256, pd)
#undef LATHE_OPERATIONS

template <class W, template <int, int> class Strip>
MicroKernels<typename W::T> table(typename W::T (*dot)(int64_t, const typename W::T*, const typename W::T*)) {
  MicroKernels<typename W::T> m;
  m.rows = W::kRows;
  m.width = 2 * W::kLanes;
  m.dot = dot;
  [&]<int... R>(std::integer_sequence<int, R...>) {
    ((m.full[R + 1] = Strip<R + 1, 2>::run, m.half[R + 1] = Strip<R + 1, 1>::run), ...);
  }(std::make_integer_sequence<int, W::kRows>());
  return m;
}

#endif

template <class T>
MicroKernels<T> plain_table() {
  MicroKernels<T> m;
  m.rows = Plain<T>::kRows;
  m.width = 2 * Plain<T>::kLanes;
  m.dot = Plain<T>::dot;
  [&]<int... R>(std::integer_sequence<int, R...>) {
    ((m.full[R + 1] = Plain<T>::template strip<R + 1, 2>, m.half[R + 1] = Plain<T>::template strip<R + 1, 1>),
     ...);
  }(std::make_integer_sequence<int, Plain<T>::kRows>());
  return m;
}

template <class T>
const MicroKernels<T>& best() {
  for (const char* isa : {"avx512", "avx2"})
    if (const auto* m = micro_kernels<T>(isa)) return *m;
  return *micro_kernels<T>("plain");
}

}  // namespace

template <class T>
const MicroKernels<T>* micro_kernels(const char* isa) {
  static const MicroKernels<T> plain = plain_table<T>();
  if (std::strcmp(isa, "plain") == 0) return &plain;
#if defined(__x86_64__)
  constexpr bool is_float = sizeof(T) == sizeof(float);
  if (std::strcmp(isa, "avx512") == 0 && __builtin_cpu_supports("avx512f")) {
    static const MicroKernels<T> wide = [] {
      if constexpr (is_float)
        return table<Wide32, Wide32Strip>(Wide32_dot);
      else
        return table<Wide64, Wide64Strip>(Wide64_dot);
    }();
    return &wide;
  }
  if (std::strcmp(isa, "avx2") == 0 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    static const MicroKernels<T> narrow = [] {
      if constexpr (is_float)
        return table<Half32, Half32Strip>(Half32_dot);
      else
        return table<Half64, Half64Strip>(Half64_dot);
    }();
    return &narrow;
  }
#endif
  return nullptr;
}

template <class T>
const MicroKernels<T>& micro_kernels() {
  static const MicroKernels<T>& chosen = best<T>();
  return chosen;
}

template const MicroKernels<float>& micro_kernels<float>();
template const MicroKernels<double>& micro_kernels<double>();
template const MicroKernels<float>* micro_kernels<float>(const char*);
template const MicroKernels<double>* micro_kernels<double>(const char*);

}  // namespace lathe
