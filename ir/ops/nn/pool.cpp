// MaxPool, AveragePool, LpPool and their global forms.
#include <cmath>

#include "ir/base/work_vector.h"
#include "ir/ops/nn/window.h"
#include "ir/ops/op_def.h"
#include "ir/ops/row_math.h"

namespace lathe {
namespace {

struct Problem {
  const Tensor& x;
  Window window;
  int64_t planes;  // batch x channels
  Dims out_dims;
};

Problem problem_of(EvalCtx& c, const Tensor& x) {
  if (x.rank() < 3) fail("x has rank {}, at least 3 is needed", x.rank());
  if (c.attrs().ints("kernel_shape").empty()) fail("kernel_shape is missing");
  Problem p{
      x,
      make_window(c.attrs(), {}, Dims(x.dims.begin() + 2, x.dims.end()), c.attrs().i("ceil_mode", 0) != 0),
      span_count(x.dims, 0, 2),
      {x.dims[0], x.dims[1]}};
  p.out_dims.insert(p.out_dims.end(), p.window.out.begin(), p.window.out.end());
  return p;
}

// Folds every window: start(), then step(acc, x) over its elements inside the input, then finish(acc, row, x)
// where row and x say which output element it is.
template <class T, class C, class Step, class Finish>
void fold_windows(const Problem& p, Tensor& out, C start, Step&& step, Finish&& finish) {
  const Window& w = p.window;
  const int64_t rows = w.out_rows(), width = w.out.back(), area = w.in_pixels(), stride = w.strides.back();
  if (out.count() == 0) return;
  const T* x = p.x.data<T>().data();
  T* y = out.mutable_data<T>().data();
  const int64_t grain = std::max<int64_t>(1, kGrain / (rows * width));
  parallel_for(p.planes, grain, [&](int64_t begin, int64_t end) {
    WorkVector<C> acc(static_cast<size_t>(width));
    for (int64_t plane = begin; plane < end; ++plane) {
      for (int64_t r = 0; r < rows; ++r) {
        std::fill(acc.begin(), acc.end(), start);
        C* a = acc.data();
        for_each_tap(w, r, [&](int64_t, int64_t base, int64_t lo, int64_t hi) {
          const T* from = x + plane * area + base;
          for (int64_t o = lo; o < hi; ++o) a[o] = step(a[o], static_cast<C>(from[o * stride]));
        });
        T* to = y + (plane * rows + r) * width;
        for (int64_t o = 0; o < width; ++o) to[o] = static_cast<T>(finish(a[o], r, o));
      }
    }
  });
}

// Windows that meet only padding give the type's lowest value.
template <class C>
constexpr C lowest() {
  if constexpr (std::numeric_limits<C>::has_infinity)
    return -std::numeric_limits<C>::infinity();
  else
    return std::numeric_limits<C>::lowest();
}

// Flat indices into the whole input, of the first largest element; storage_order 1 counts the spatial dims of
// a plane in column-major order.
template <class T>
void max_indices(const Problem& p, bool column_major, Tensor& indices) {
  using C = Compute<T>;
  const Window& w = p.window;
  const int64_t rows = w.out_rows(), width = w.out.back(), area = w.in_pixels(), stride = w.strides.back();
  if (indices.count() == 0) return;
  const T* x = p.x.data<T>().data();
  int64_t* y = indices.mutable_data<int64_t>().data();
  parallel_for(p.planes, 1, [&](int64_t begin, int64_t end) {
    WorkVector<C> top(static_cast<size_t>(width));
    WorkVector<int64_t> at(static_cast<size_t>(width));
    for (int64_t plane = begin; plane < end; ++plane) {
      for (int64_t r = 0; r < rows; ++r) {
        std::fill(at.begin(), at.end(), int64_t{-1});
        for_each_tap(w, r, [&](int64_t, int64_t base, int64_t lo, int64_t hi) {
          for (int64_t o = lo; o < hi; ++o) {
            const auto i = static_cast<size_t>(o);
            const C v = load_element(x[plane * area + base + o * stride]);
            if (at[i] >= 0 && !(v > top[i])) continue;
            top[i] = v;
            at[i] = base + o * stride;
          }
        });
        for (int64_t o = 0; o < width; ++o) {
          int64_t flat = at[static_cast<size_t>(o)], column = 0;
          if (column_major && flat >= 0) {
            int64_t left = flat, step = area;
            for (size_t d = w.in.size(); d-- > 0;) {
              step /= w.in[d];
              column += left % w.in[d] * step;
              left /= w.in[d];
            }
            flat = column;
          }
          y[(plane * rows + r) * width + o] = flat < 0 ? -1 : plane * area + flat;
        }
      }
    }
  });
}

void eval_max_pool(EvalCtx& c) {
  const Problem p = problem_of(c, c.in(0));
  using Types = Concat<Floats, TypeList<int8_t, uint8_t>>;
  dispatch<Types>(p.x.dtype, [&]<class T>() {
    using C = Compute<T>;
    fold_windows<T, C>(
        p, c.out(0, p.x.dtype, p.out_dims), lowest<C>(), [](C a, C v) { return v > a || v != v ? v : a; },
        [](C a, int64_t, int64_t) { return a; });
    if (c.wants(1)) max_indices<T>(p, c.attrs().i("storage_order", 0) == 1, c.out(1, DType::I64, p.out_dims));
  });
}

// Elements of the window at output position o along dim d that count for an average.
int64_t counted(const Window& w, size_t d, int64_t o, bool include_pad) {
  const int64_t origin = o * w.strides[d], step = w.dilations[d];  // in the padded input
  const int64_t first = include_pad ? 0 : w.begin[d],
                end = w.begin[d] + w.in[d] + (include_pad ? w.end[d] : 0);
  const int64_t low = origin >= first ? 0 : (first - origin + step - 1) / step;
  const int64_t high = origin >= end ? 0 : std::min(w.kernel[d], (end - origin + step - 1) / step);
  return std::max<int64_t>(0, high - low);
}

void eval_average_pool(EvalCtx& c) {
  const Problem p = problem_of(c, c.in(0));
  const Window& w = p.window;
  const bool include_pad = c.attrs().i("count_include_pad", 0) != 0;
  const size_t last = w.in.size() - 1;
  WorkVector<int64_t> by_row(static_cast<size_t>(w.out_rows()), 1),
      by_column(static_cast<size_t>(w.out[last]));
  for (size_t r = 0; r < by_row.size(); ++r) {
    auto left = static_cast<int64_t>(r);
    for (size_t d = last; d-- > 0;) {
      by_row[r] *= counted(w, d, left % w.out[d], include_pad);
      left /= w.out[d];
    }
  }
  for (size_t o = 0; o < by_column.size(); ++o)
    by_column[o] = counted(w, last, static_cast<int64_t>(o), include_pad);
  dispatch<Floats>(p.x.dtype, [&]<class T>() {
    using C = Compute<T>;
    fold_windows<T, C>(
        p, c.out(0, p.x.dtype, p.out_dims), C{0}, [](C a, C v) { return a + v; },
        [&](C a, int64_t r, int64_t o) {
          const int64_t n = by_row[static_cast<size_t>(r)] * by_column[static_cast<size_t>(o)];
          return n == 0 ? C{0} : a / static_cast<C>(n);
        });
  });
}

void eval_lp_pool(EvalCtx& c) {
  const Problem p = problem_of(c, c.in(0));
  const int64_t power = c.attrs().i("p", 2);
  if (power < 1) fail("p = {} is not positive", power);
  dispatch<Floats>(p.x.dtype, [&]<class T>() {
    using C = Compute<T>;
    const C n = static_cast<C>(power);
    fold_windows<T, C>(
        p, c.out(0, p.x.dtype, p.out_dims), C{0},
        [n](C a, C v) { return a + (n == 2 ? v * v : std::pow(std::abs(v), n)); },
        [n](C a, int64_t, int64_t) { return n == 2 ? std::sqrt(a) : std::pow(a, 1 / n); });
  });
}

enum class Global : uint8_t { average, max, lp };

template <Global K>
void eval_global(EvalCtx& c) {
  const Tensor& x = c.in(0);
  if (x.rank() < 2) fail("x has rank {}, at least 2 is needed", x.rank());
  Dims dims(x.dims.size(), 1);
  dims[0] = x.dims[0];
  dims[1] = x.dims[1];
  const int64_t n = span_count(x.dims, 2, x.dims.size()), power = c.attrs().i("p", 2);
  if (K == Global::max && n == 0) fail("there is no largest of no elements");
  Tensor& y = c.out(0, x.dtype, dims);
  dispatch<Floats>(x.dtype, [&]<class T>() {
    using C = Compute<T>;
    const T* in = x.data<T>().data();
    T* out = y.mutable_data<T>().data();
    parallel_for(y.count(), rows_per_chunk(n), [&](int64_t begin, int64_t end) {
      RowReader<T> reader;
      for (int64_t r = begin; r < end; ++r) {
        const C* v = reader.read(in + r * n, n);
        C result;
        if constexpr (K == Global::average) {
          result = row_sum(v, n) / static_cast<C>(n);
        } else if constexpr (K == Global::max) {
          result = row_max(v, n);
        } else {
          const C p = static_cast<C>(power);
          const auto term = [v, p](int64_t i) { return std::pow(std::abs(v[i]), p); };
          result = std::pow(row_reduce(n, C{0}, term, [](C a, C b) { return a + b; }), 1 / p);
        }
        out[r] = static_cast<T>(result);
      }
    });
  });
}

void infer_pool(InferCtx& c) {
  const Shape* x = c.shape(0);
  std::optional<Shape> out;
  if (x != nullptr) {
    if (x->size() < 3) c.contradiction(fmt::format("x has rank {}", x->size()));
    out = Shape{(*x)[0], (*x)[1]};
    const Shape spatial =
        window_shape(c, {}, Shape(x->begin() + 2, x->end()), c.attrs().i("ceil_mode", 0) != 0);
    out->insert(out->end(), spatial.begin(), spatial.end());
  }
  c.out(0, c.dtype(0), out);
  c.out(1, DType::I64, out);
}

void infer_global(InferCtx& c) {
  const Shape* x = c.shape(0);
  if (x == nullptr) return c.out(0, c.dtype(0));
  if (x->size() < 2) c.contradiction(fmt::format("x has rank {}", x->size()));
  Shape out(x->size(), Dim(1));
  out[0] = (*x)[0];
  out[1] = (*x)[1];
  c.out(0, c.dtype(0), std::move(out));
}

}  // namespace

void register_pool(OpRegistry& r) {
  const auto row = [&r](const char* type, auto infer, auto eval, Exactness exactness = Exactness::rounding) {
    r.add({.domain = "", .type = type, .infer = infer, .eval = eval, .exactness = exactness});
  };
  row("MaxPool", infer_pool, eval_max_pool, Exactness::bitwise);
  row("AveragePool", infer_pool, eval_average_pool);
  row("LpPool", infer_pool, eval_lp_pool);
  row("GlobalAveragePool", infer_global, eval_global<Global::average>);
  row("GlobalMaxPool", infer_global, eval_global<Global::max>, Exactness::bitwise);
  row("GlobalLpPool", infer_global, eval_global<Global::lp>);
}

}  // namespace lathe
