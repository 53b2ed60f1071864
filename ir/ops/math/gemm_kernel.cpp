#include "ir/ops/math/gemm_kernel.h"

#include <algorithm>
#include <memory>
#include <new>

#include "ir/ops/math/gemm_micro.h"
#include "ir/ops/math/gemm_pack.h"

namespace lathe {
namespace {

// Rows and columns of C that one task computes, at most; its packed B stays in a second-level cache.
constexpr int64_t kTileRows = 256, kTileColumns = 256;
constexpr int64_t kLeastRows = 48, kLeastColumns = 96;  // smaller tiles pack more than they compute
constexpr int64_t kTasks = 8;                           // that a product is cut into where it is large enough
constexpr int64_t kTaskFlops = 1 << 19;                 // products smaller than this share a task
constexpr int64_t kSlab = 1 << 21;                      // elements of packed columns at a time
constexpr int64_t kStep = 32;                           // columns are cut at multiples of the widest panel

// Panels begin at cache lines: a vector that crosses two costs twice.
struct FreeLines {
  void operator()(void* p) const { ::operator delete[](p, std::align_val_t{64}); }
};
template <class T>
T* panel_buffer() {
  static thread_local const std::unique_ptr<void, FreeLines> buffer(::operator new[](
      static_cast<size_t>(kGemmDepth * (kTileColumns + kStep)) * sizeof(T), std::align_val_t{64}));
  return static_cast<T*>(buffer.get());
}

// Product with tiles of at most kTileColumns columns, on this thread. panels_of(p, k) gives rows [p, p + k)
// of B as panels.
template <class T, class Panels>
void tile(const Gemm<T>& g, const T* a, const Panels& panels_of, T* c) {
  const MicroKernels<T>& kernels = micro_kernels<T>();
  const int64_t width = kernels.width, strips = (g.m + kernels.rows - 1) / kernels.rows;
  alignas(64) T strip[kMaxStrip * kStripStride], edge[kMaxStrip * kStep] = {};
  for (int64_t p = 0; p < g.k; p += kGemmDepth) {
    const int64_t k = std::min(kGemmDepth, g.k - p);
    const T beta = p == 0 ? g.beta : T{1};
    const T* panels = panels_of(p, k);
    for (int64_t s = 0; s < strips; ++s) {
      const int64_t i = g.m * s / strips, rows = g.m * (s + 1) / strips - i;
      pack_strip(a + (g.trans_a ? p * g.lda + i : i * g.lda + p), g.lda, g.trans_a, rows, k, strip);
      for (int64_t j = 0; j < g.n; j += width) {
        const int64_t n = std::min(width, g.n - j);
        const auto run = 2 * n <= width ? kernels.half[rows] : kernels.full[rows];
        T* to = c + i * g.ldc + j;
        if (n == width || 2 * n == width) {
          run(k, strip, panels + j * k, width, to, g.ldc, g.alpha, beta);
          continue;
        }
        for (int64_t r = 0; beta != 0 && r < rows; ++r) std::copy_n(to + r * g.ldc, n, edge + r * kStep);
        run(k, strip, panels + j * k, width, edge, kStep, g.alpha, beta);
        for (int64_t r = 0; r < rows; ++r) std::copy_n(edge + r * kStep, n, to + r * g.ldc);
      }
    }
  }
}

// A few rows: B is read where it lies, as packing it would cost more than the product.
template <class T>
void few_rows(const Gemm<T>& g, const T* a, const T* b, T* c) {
  const MicroKernels<T>& kernels = micro_kernels<T>();
  const int64_t width = kernels.width, whole = g.n / width * width;
  alignas(64) T strip[kMaxStrip * kStripStride];
  for (int64_t p = 0; p < g.k; p += kGemmDepth) {
    const int64_t k = std::min(kGemmDepth, g.k - p);
    const T beta = p == 0 ? g.beta : T{1};
    pack_strip(a + (g.trans_a ? p * g.lda : p), g.lda, g.trans_a, g.m, k, strip);
    for (int64_t j = 0; j < whole; j += width)
      kernels.full[g.m](k, strip, b + p * g.ldb + j, g.ldb, c + j, g.ldc, g.alpha, beta);
  }
  if (whole == g.n) return;
  Gemm<T> rest = g;
  rest.n = g.n - whole;
  tile(
      rest, a,
      [&](int64_t p, int64_t k) {
        T* to = panel_buffer<T>();
        pack_panels(b + p * g.ldb + whole, g.ldb, false, k, rest.n, width, to);
        return to;
      },
      c + whole);
}

// One row times the rows of B as stored: sums along both, which are contiguous.
template <class T>
void one_row_transposed(const Gemm<T>& g, const T* a, const T* b, T* c) {
  const MicroKernels<T>& kernels = micro_kernels<T>();
  for (int64_t j = 0; j < g.n; ++j) {
    const T sum = g.alpha * kernels.dot(g.k, a, b + j * g.ldb);
    c[j] = g.beta == 0 ? sum : g.beta * c[j] + sum;
  }
}

template <class T>
void scale(const Gemm<T>& g, T* c) {
  for (int64_t i = 0; i < g.m; ++i)
    for (int64_t j = 0; j < g.n; ++j) c[i * g.ldc + j] = g.beta == 0 ? T{0} : g.beta * c[i * g.ldc + j];
}

// Tiles of C: cut by shape alone.
struct Tiling {
  int64_t rows, columns, across, count;

  Tiling(int64_t m, int64_t n, int64_t products) : rows(std::min(m, kTileRows)), columns(kTileColumns) {
    columns = even(n, (n + columns - 1) / columns);
    const auto tasks = [&] { return (m + rows - 1) / rows * ((n + columns - 1) / columns) * products; };
    while (tasks() < kTasks && columns >= 2 * kLeastColumns)
      columns = even(n, (n + columns - 1) / columns * 2);
    while (tasks() < kTasks / 2 && rows >= 2 * kLeastRows) rows = (rows + 1) / 2;
    across = (n + columns - 1) / columns;
    count = (m + rows - 1) / rows * across;
  }

  static int64_t even(int64_t n, int64_t parts) {
    return ((n + parts - 1) / parts + kStep - 1) / kStep * kStep;
  }
};

// Calls f(product, Gemm of the tile, first row, first column) for all tiles of all products.
template <class T, class F>
void for_each_tile(const Gemm<T>& g, int64_t products, F&& f) {
  if (g.m == 0 || g.n == 0 || products == 0) return;
  const Tiling t(g.m, g.n, products);
  const int64_t work = 2 * t.rows * t.columns * std::max<int64_t>(g.k, 1);
  parallel_for(checked_mul(t.count, products), std::max<int64_t>(1, kTaskFlops / work),
               [&](int64_t begin, int64_t end) {
                 for (int64_t task = begin; task < end; ++task) {
                   const int64_t i = task % t.count / t.across * t.rows, j = task % t.across * t.columns;
                   Gemm<T> part = g;
                   part.m = std::min(t.rows, g.m - i);
                   part.n = std::min(t.columns, g.n - j);
                   f(task / t.count, part, i, j);
                 }
               });
}

// Every element takes the same way whatever tile it is in.
template <class T>
bool is_row_of_dots(const Gemm<T>& g) {
  return g.m == 1 && g.trans_b && (!g.trans_a || g.lda == 1);
}

template <class T>
bool is_few_rows(const Gemm<T>& g) {
  return g.m <= micro_kernels<T>().rows && !g.trans_b;
}

template <class T>
void serial(const Gemm<T>& g, const T* a, const T* b, T* c, bool dots) {
  if (g.m == 0 || g.n == 0) return;
  if (g.k == 0) return scale(g, c);
  if (dots) return one_row_transposed(g, a, b, c);
  const int64_t width = micro_kernels<T>().width;
  if (is_few_rows(g)) return few_rows(g, a, b, c);
  for (int64_t j = 0; j < g.n; j += kTileColumns) {
    Gemm<T> part = g;
    part.n = std::min(kTileColumns, g.n - j);
    const T* from = b + (g.trans_b ? j * g.ldb : j);
    tile(
        part, a,
        [&](int64_t p, int64_t k) {
          T* to = panel_buffer<T>();
          pack_panels(from + (g.trans_b ? p : p * g.ldb), g.ldb, g.trans_b, k, part.n, width, to);
          return to;
        },
        c + j);
  }
}

template <class T>
void batch(const Gemm<T>& g, const T* a, const T* b, T* c, const std::vector<GemmOffsets>& at) {
  for_each_tile(g, static_cast<int64_t>(at.size()),
                [&](int64_t product, const Gemm<T>& part, int64_t i, int64_t j) {
                  const GemmOffsets& o = at[static_cast<size_t>(product)];
                  serial(part, a + o.a + (g.trans_a ? i : i * g.lda), b + o.b + (g.trans_b ? j * g.ldb : j),
                         c + o.c + i * g.ldc + j, is_row_of_dots(g));
                });
}

template <class T>
bool packs(const Gemm<T>& g) {
  return g.m > 0 && g.n > 0 && g.k > 0 && !is_row_of_dots(g) && !is_few_rows(g);
}

// Elements of a row of k, of all panels.
template <class T>
int64_t panels_width(int64_t n) {
  const int64_t width = micro_kernels<T>().width;
  return (n + width - 1) / width * width;
}

// All of a B[k, n]: by kGemmDepth of k, then by panel. source(p, k, j, n, to) fills panels of a block.
template <class T, class Source>
Tensor pack_all(int64_t n, int64_t k, const Source& source) {
  const int64_t all = panels_width<T>(n);
  Tensor panels = Tensor::uninitialized(sizeof(T) == sizeof(float) ? DType::F32 : DType::F64, {all, k});
  T* to = panels.template mutable_data<T>().data();
  const int64_t across = (n + kTileColumns - 1) / kTileColumns, down = (k + kGemmDepth - 1) / kGemmDepth;
  parallel_for(across * down, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t p = task / across * kGemmDepth, j = task % across * kTileColumns;
      const int64_t depth = std::min(kGemmDepth, k - p);
      source(p, depth, j, std::min(kTileColumns, n - j), to + p * all + j * depth);
    }
  });
  return panels;
}

template <class T>
std::shared_ptr<const PackedB> pack(const Gemm<T>& g, const T* b) {
  const int64_t width = micro_kernels<T>().width;
  auto packed = std::make_shared<PackedB>();
  packed->n = g.n;
  packed->k = g.k;
  packed->trans = g.trans_b;
  packed->panels = pack_all<T>(g.n, g.k, [&](int64_t p, int64_t k, int64_t j, int64_t n, T* to) {
    pack_panels(b + (g.trans_b ? j * g.ldb + p : p * g.ldb + j), g.ldb, g.trans_b, k, n, width, to);
  });
  return packed;
}

template <class T>
void product_packed(const Gemm<T>& g, const T* a, const Tensor& panels, T* c) {
  const int64_t all = panels_width<T>(g.n);
  const T* b = panels.data<T>().data();
  for_each_tile(g, 1, [&](int64_t, const Gemm<T>& part, int64_t i, int64_t j) {
    tile(
        part, a + (g.trans_a ? i : i * g.lda), [&](int64_t p, int64_t k) { return b + p * all + j * k; },
        c + i * g.ldc + j);
  });
}

template <class T>
void by_columns(const Gemm<T>& g, const T* a, const ColumnSource<T>& columns, T* c) {
  const int64_t width = micro_kernels<T>().width;
  if (g.k > 0 && g.n > 0 && Tiling(g.m, g.n, 1).rows < g.m) {  // several tiles read the same columns
    const int64_t most = std::max(kTileColumns, kSlab / g.k / kTileColumns * kTileColumns);
    for (int64_t first = 0; first < g.n; first += most) {
      Gemm<T> slab = g;
      slab.n = std::min(most, g.n - first);
      const Tensor panels = pack_all<T>(slab.n, g.k, [&](int64_t p, int64_t k, int64_t j, int64_t n, T* to) {
        columns(p, k, first + j, n, width, to);
      });
      product_packed(slab, a, panels, c + first);
    }
    return;
  }
  for_each_tile(g, 1, [&](int64_t, const Gemm<T>& part, int64_t i, int64_t j) {
    T* to = c + i * g.ldc + j;
    if (g.k == 0) return scale(part, to);
    tile(
        part, a + (g.trans_a ? i : i * g.lda),
        [&](int64_t p, int64_t k) {
          T* panels = panel_buffer<T>();
          columns(p, k, j, part.n, width, panels);
          return panels;
        },
        to);
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
void gemm_serial(const Gemm<float>& g, const float* a, const float* b, float* c) {
  serial(g, a, b, c, is_row_of_dots(g));
}
void gemm_serial(const Gemm<double>& g, const double* a, const double* b, double* c) {
  serial(g, a, b, c, is_row_of_dots(g));
}
bool packs_b(const Gemm<float>& g) { return packs(g); }
bool packs_b(const Gemm<double>& g) { return packs(g); }
std::shared_ptr<const PackedB> pack_b(const Gemm<float>& g, const float* b) { return pack(g, b); }
std::shared_ptr<const PackedB> pack_b(const Gemm<double>& g, const double* b) { return pack(g, b); }
void gemm_packed(const Gemm<float>& g, const float* a, const PackedB& b, float* c) {
  product_packed(g, a, b.panels, c);
}
void gemm_packed(const Gemm<double>& g, const double* a, const PackedB& b, double* c) {
  product_packed(g, a, b.panels, c);
}
void gemm_columns(const Gemm<float>& g, const float* a, const ColumnSource<float>& columns, float* c) {
  by_columns(g, a, columns, c);
}
void gemm_columns(const Gemm<double>& g, const double* a, const ColumnSource<double>& columns, double* c) {
  by_columns(g, a, columns, c);
}

}  // namespace lathe
