// The innermost loops of a matrix product (Goto and van de Geijn, "Anatomy of High-Performance Matrix
// Multiplication", 2008): a few rows of packed A times a panel of packed B, sums held in registers. Written
// for AVX-512 and AVX2 with fused multiply-add, chosen by what the processor has; plain C++ for any other.
//
// Every element is one chain of fused multiply-adds in the order of k, so all processors that have them give
// the same bits, whatever the shape of the tiles.
#pragma once
#include <cstdint>

namespace lathe {

inline constexpr int kMaxStrip = 12;
inline constexpr int64_t kGemmDepth = 256;  // of k in one packed block
// From one row of a packed strip of A to the next: no power of two, so that rows fall into different cache
// sets.
inline constexpr int64_t kStripStride = kGemmDepth + 16;

template <class T>
struct MicroKernels {
  // c[r, j] = beta * c[r, j] + alpha * sum over p < k of a[r * kStripStride + p] * b[p * step + j]; c is not
  // read where beta is 0.
  using Strip = void (*)(int64_t k, const T* a, const T* b, int64_t step, T* c, int64_t ldc, T alpha, T beta);
  int rows = 0;                 // of the tallest strip
  int64_t width = 0;            // columns of a panel
  Strip full[kMaxStrip + 1]{};  // by number of rows, `width` columns
  Strip half[kMaxStrip + 1]{};  // width / 2 columns
  T (*dot)(int64_t k, const T* a, const T* b) = nullptr;
};

template <class T>
const MicroKernels<T>& micro_kernels();

// By name, for tests: "avx512", "avx2", "plain"; null where this processor lacks it.
template <class T>
const MicroKernels<T>* micro_kernels(const char* isa);

}  // namespace lathe
