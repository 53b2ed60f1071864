// Operands of a matrix product in the order in which its innermost loops read them: rows of A in strips,
// columns of B in panels. Pointers may be misaligned.
#pragma once
#include <cstdint>

namespace lathe {

// Row i of `to`, kStripStride apart, is row i of A: rows x k elements; trans: of A as stored [k, rows].
template <class T>
void pack_strip(const T* a, int64_t lda, bool trans, int64_t rows, int64_t k, T* to);

// B[k, n] into panels of `width` columns, each k rows of `width`; what is beyond column n is 0. trans: of B
// as stored [n, k].
template <class T>
void pack_panels(const T* b, int64_t ldb, bool trans, int64_t k, int64_t n, int64_t width, T* to);

}  // namespace lathe
