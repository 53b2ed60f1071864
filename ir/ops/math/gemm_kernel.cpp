#include "ir/ops/math/gemm_kernel.h"

#include <cblas.h>

#include <algorithm>
#include <mutex>

namespace lathe {
namespace {

// Rows and columns of C that one task computes, at most. Wide enough that packing the operands is a few
// percent of the work; columns are shared out evenly, in steps of the kernels' width.
constexpr int64_t kTileRows = 256, kTileColumns = 192, kColumnStep = 16;
// Products smaller than this share a task.
constexpr int64_t kTaskFlops = 1 << 19;

int blas_int(int64_t v) {
  if (v > std::numeric_limits<int>::max()) fail("a matrix dimension of {} is too large", v);
  return static_cast<int>(v);
}

void blas(const Gemm<float>& g, const float* a, const float* b, float* c) {
  const int m = blas_int(g.m), n = blas_int(g.n), k = blas_int(g.k);
  const int lda = blas_int(g.lda), ldb = blas_int(g.ldb), ldc = blas_int(g.ldc);
  const auto ta = g.trans_a ? CblasTrans : CblasNoTrans, tb = g.trans_b ? CblasTrans : CblasNoTrans;
  if (m == 1 && !g.trans_a) {  // a vector times a matrix: packing the matrix would cost more than reading it
    if (g.trans_b)
      cblas_sgemv(CblasRowMajor, CblasNoTrans, n, k, g.alpha, b, ldb, a, 1, g.beta, c, 1);
    else
      cblas_sgemv(CblasRowMajor, CblasTrans, k, n, g.alpha, b, ldb, a, 1, g.beta, c, 1);
    return;
  }
  cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, g.alpha, a, lda, b, ldb, g.beta, c, ldc);
}

void blas(const Gemm<double>& g, const double* a, const double* b, double* c) {
  cblas_dgemm(CblasRowMajor, g.trans_a ? CblasTrans : CblasNoTrans, g.trans_b ? CblasTrans : CblasNoTrans,
              blas_int(g.m), blas_int(g.n), blas_int(g.k), g.alpha, a, blas_int(g.lda), b, blas_int(g.ldb),
              g.beta, c, blas_int(g.ldc));
}

// OpenBLAS without threads hands out its packing buffers without a lock (it was built for one caller): two
// calls at once can get the same one, and then the product is wrong.
std::mutex g_blas;

template <class T>
void serial(const Gemm<T>& g, const T* a, const T* b, T* c) {
  if (g.m == 0 || g.n == 0) return;
  if (g.k > 0) {
    const std::lock_guard lock(g_blas);
    blas(g, a, b, c);
    return;
  }
  for (int64_t i = 0; i < g.m; ++i)
    for (int64_t j = 0; j < g.n; ++j) c[i * g.ldc + j] = g.beta == 0 ? T{0} : g.beta * c[i * g.ldc + j];
}

template <class T>
void batch(const Gemm<T>& g, const T* a, const T* b, T* c, const std::vector<GemmOffsets>& at) {
  if (g.m == 0 || g.n == 0) return;
  const int64_t row_tiles = (g.m + kTileRows - 1) / kTileRows, most = (g.n + kTileColumns - 1) / kTileColumns;
  const int64_t width = (((g.n + most - 1) / most) + kColumnStep - 1) / kColumnStep * kColumnStep;
  const int64_t column_tiles = (g.n + width - 1) / width;
  const int64_t tasks = checked_mul(checked_mul(row_tiles, column_tiles), static_cast<int64_t>(at.size()));
  const int64_t work = 2 * std::min(g.m, kTileRows) * std::min(g.n, width) * std::max<int64_t>(g.k, 1);
  parallel_for(tasks, std::max<int64_t>(1, kTaskFlops / work), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const GemmOffsets& o = at[static_cast<size_t>(t / (row_tiles * column_tiles))];
      const int64_t i = t / column_tiles % row_tiles * kTileRows, j = t % column_tiles * width;
      Gemm<T> tile = g;
      tile.m = std::min(kTileRows, g.m - i);
      tile.n = std::min(width, g.n - j);
      serial(tile, a + o.a + (g.trans_a ? i : i * g.lda), b + o.b + (g.trans_b ? j * g.ldb : j),
             c + o.c + i * g.ldc + j);
    }
  });
}

}  // namespace

void gemm_batch(const Gemm<float>& g, const float* a, const float* b, float* c,
                const std::vector<GemmOffsets>& at) {
  batch(g, a, b, c, at);
}
void gemm_batch(const Gemm<double>& g, const double* a, const double* b, double* c,
                const std::vector<GemmOffsets>& at) {
  batch(g, a, b, c, at);
}
void gemm_serial(const Gemm<float>& g, const float* a, const float* b, float* c) { serial(g, a, b, c); }
void gemm_serial(const Gemm<double>& g, const double* a, const double* b, double* c) { serial(g, a, b, c); }

}  // namespace lathe
