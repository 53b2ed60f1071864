// Matrix products on row-major data. Floats and doubles go through packed tiles cut by shape alone: results
// do not depend on the number of threads, nor (among processors with fused multiply-add) on the processor.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "ir/base/checked.h"
#include "ir/base/parallel.h"
#include "ir/core/tensor.h"
#include "ir/ops/int_math.h"

namespace lathe {

// C[m, n] = alpha * op(A) * op(B) + beta * C; op transposes its row-major operand where asked. ld*: elements
// from one row to the next as stored. Pointers may be misaligned.
template <class T>
struct Gemm {
  bool trans_a = false, trans_b = false;
  int64_t m = 0, n = 0, k = 0;
  T alpha = 1, beta = 0;
  int64_t lda = 0, ldb = 0, ldc = 0;
};

// One product per entry of `at`: offsets (in elements) of its A, B and C. Entries must not share C.
struct GemmOffsets {
  int64_t a = 0, b = 0, c = 0;
};
void gemm_batch(const Gemm<float>& g, const float* a, const float* b, float* c,
                const std::vector<GemmOffsets>& at);
void gemm_batch(const Gemm<double>& g, const double* a, const double* b, double* c,
                const std::vector<GemmOffsets>& at);

// One product on the calling thread; the same bits as gemm_batch.
void gemm_serial(const Gemm<float>& g, const float* a, const float* b, float* c);
void gemm_serial(const Gemm<double>& g, const double* a, const double* b, double* c);

// The columns of a B that is nowhere stored as a whole (windows of an image): rows [k0, k0 + k) and columns
// [n0, n0 + n) as panels of `width` columns, each k rows of `width`, 0 beyond column n. Called from many
// threads at once; must not start parallel work.
template <class T>
using ColumnSource =
    std::function<void(int64_t k0, int64_t k, int64_t n0, int64_t n, int64_t width, T* panels)>;
// trans_b and ldb are not used.
void gemm_columns(const Gemm<float>& g, const float* a, const ColumnSource<float>& columns, float* c);
void gemm_columns(const Gemm<double>& g, const double* a, const ColumnSource<double>& columns, double* c);

// A B in the order in which products read it, for one that many share.
struct PackedB {
  int64_t n = 0, k = 0;
  bool trans = false;  // as it was stored
  Tensor panels;       // by kGemmDepth of k, then by panel
};
// Whether gemm_batch packs B for this product. Few rows read it where it lies.
bool packs_b(const Gemm<float>& g);
bool packs_b(const Gemm<double>& g);
// g.n, g.k, g.trans_b, g.ldb say how b is stored.
std::shared_ptr<const PackedB> pack_b(const Gemm<float>& g, const float* b);
std::shared_ptr<const PackedB> pack_b(const Gemm<double>& g, const double* b);
// The bits of gemm_batch with one product, where packs_b(g). trans_b and ldb are not used.
void gemm_packed(const Gemm<float>& g, const float* a, const PackedB& b, float* c);
void gemm_packed(const Gemm<double>& g, const double* a, const PackedB& b, double* c);

// Integers wrap.
template <class T>
void gemm_batch(const Gemm<T>& g, const T* a, const T* b, T* c, const std::vector<GemmOffsets>& at) {
  const int64_t rows = g.m * static_cast<int64_t>(at.size());
  const int64_t grain =
      std::max<int64_t>(1, (1 << 16) / std::max<int64_t>(1, g.n * std::max<int64_t>(g.k, 1)));
  parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const GemmOffsets& o = at[static_cast<size_t>(r / g.m)];
      const int64_t i = r % g.m;
      T* out = c + o.c + i * g.ldc;
      for (int64_t j = 0; j < g.n; ++j) out[j] = g.beta == 0 ? T{0} : wrap_mul(g.beta, out[j]);
      for (int64_t p = 0; p < g.k; ++p) {
        const T x = wrap_mul(g.alpha, a[o.a + (g.trans_a ? p * g.lda + i : i * g.lda + p)]);
        const T* row = b + o.b + (g.trans_b ? p : p * g.ldb);
        const int64_t step = g.trans_b ? g.ldb : 1;
        for (int64_t j = 0; j < g.n; ++j) out[j] = wrap_add(out[j], wrap_mul(x, row[j * step]));
      }
    }
  });
}

}  // namespace lathe
