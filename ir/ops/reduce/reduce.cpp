// ReduceSum and its kin. Each is a function of one row of numbers; rows that are not contiguous are gathered
// first.
#include <cmath>

#include "ir/base/work_vector.h"
#include "ir/ops/int_math.h"
#include "ir/ops/op_def.h"
#include "ir/ops/reduce/axes.h"
#include "ir/ops/row_math.h"

namespace lathe {
namespace {

// Sum of term(i). Long float rows add blocks in double, so that the error does not grow with the length.
template <class C, class Term>
C sum_of(int64_t n, Term&& term) {
  const auto add = [](C a, C b) { return wrap_add(a, b); };
  if constexpr (std::is_floating_point_v<C>) {
    constexpr int64_t kBlock = 1024;
    if (n <= kBlock) return row_reduce(n, C{0}, term, add);
    double total = 0;
    for (int64_t at = 0; at < n; at += kBlock)
      total += row_reduce(std::min(kBlock, n - at), C{0}, [&](int64_t i) { return term(at + i); }, add);
    return static_cast<C>(total);
  } else {
    return row_reduce(n, C{0}, term, add);
  }
}

struct Sum {
  template <class C>
  static C row(const C* x, int64_t n) {
    return sum_of<C>(n, [x](int64_t i) { return x[i]; });
  }
};
struct Mean {
  template <class C>
  static C row(const C* x, int64_t n) {
    if constexpr (std::is_integral_v<C>)
      return n == 0 ? C{0} : static_cast<C>(Sum::row(x, n) / static_cast<C>(n));
    else
      return Sum::row(x, n) / static_cast<C>(n);
  }
};
struct Prod {
  template <class C>
  static C row(const C* x, int64_t n) {
    return row_reduce(n, C{1}, [x](int64_t i) { return x[i]; }, [](C a, C b) { return wrap_mul(a, b); });
  }
};
// Of no elements: minus infinity, or the type's lowest value. NaN wins.
struct Max {
  template <class C>
  static C row(const C* x, int64_t n) {
    using L = std::numeric_limits<C>;
    const C init = L::has_infinity ? static_cast<C>(-L::infinity()) : L::lowest();
    return row_reduce(
        n, init, [x](int64_t i) { return x[i]; }, [](C a, C b) { return a > b || a != a ? a : b; });
  }
};
struct Min {
  template <class C>
  static C row(const C* x, int64_t n) {
    using L = std::numeric_limits<C>;
    const C init = L::has_infinity ? L::infinity() : L::max();
    return row_reduce(
        n, init, [x](int64_t i) { return x[i]; }, [](C a, C b) { return a < b || a != a ? a : b; });
  }
};
struct L1 {
  template <class C>
  static C row(const C* x, int64_t n) {
    return sum_of<C>(n, [x](int64_t i) { return x[i] < 0 ? wrap_neg(x[i]) : x[i]; });
  }
};
struct SumSquare {
  template <class C>
  static C row(const C* x, int64_t n) {
    return sum_of<C>(n, [x](int64_t i) { return wrap_mul(x[i], x[i]); });
  }
};

// Functions that leave the integers: those go through double and truncate.
template <class C, class F>
C through_double(F value) {
  if constexpr (std::is_integral_v<C>)
    return to_int<C>(static_cast<double>(value));
  else
    return static_cast<C>(value);
}
template <class C>
using Real = std::conditional_t<std::is_integral_v<C>, double, C>;

struct L2 {
  template <class C>
  static C row(const C* x, int64_t n) {
    const auto square = [x](int64_t i) { return static_cast<Real<C>>(x[i]) * static_cast<Real<C>>(x[i]); };
    return through_double<C>(std::sqrt(sum_of<Real<C>>(n, square)));
  }
};
struct LogSum {
  template <class C>
  static C row(const C* x, int64_t n) {
    return through_double<C>(
        std::log(sum_of<Real<C>>(n, [x](int64_t i) { return static_cast<Real<C>>(x[i]); })));
  }
};
struct LogSumExp {
  template <class C>
  static C row(const C* x, int64_t n) {
    using R = Real<C>;
    const R top = static_cast<R>(Max::row(x, n));
    if (n == 0) return through_double<C>(-std::numeric_limits<R>::infinity());
    const R base = std::isinf(top) ? R{0} : top;  // infinity minus itself is NaN
    const R sum = sum_of<R>(n, [&](int64_t i) { return std::exp(static_cast<R>(x[i]) - base); });
    return through_double<C>(base + std::log(sum));
  }
};

template <class Op, class T>
void reduce(const Tensor& x, const std::vector<bool>& reduced, Tensor& out) {
  using C = Compute<T>;
  // The input's strides, split into those of kept axes (which number the rows) and reduced ones (which run
  // along a row).
  const Dims strides = row_major_strides(x.dims);
  Dims kept_dims, kept, row_dims, along;
  for (size_t i = 0; i < x.dims.size(); ++i) {
    (reduced[i] ? row_dims : kept_dims).push_back(x.dims[i]);
    (reduced[i] ? along : kept).push_back(strides[i]);
  }
  const StridedLoop<1> rows(kept_dims, {kept}), row(row_dims, {along});
  const int64_t n = row.count();
  const bool contiguous = n <= 1 || (row.row() == n && row.inner()[0] == 1);
  const T* in = x.data<T>().data();
  T* r = out.mutable_data<T>().data();
  parallel_for(rows.count(), rows_per_chunk(n), [&](int64_t begin, int64_t end) {
    WorkVector<C> buffer(contiguous && std::is_same_v<T, C> ? 0 : static_cast<size_t>(n));
    rows.run(begin, end, [&](int64_t o, const auto& at, int64_t count) {
      for (int64_t k = 0; k < count; ++k) {
        const T* from = in + at[0] + k * rows.inner()[0];
        const C* values = buffer.data();
        if constexpr (std::is_same_v<T, C>) {
          if (contiguous) values = from;
        }
        if (!buffer.empty()) {
          row.run(0, n, [&](int64_t p, const auto& q, int64_t m) {
            for (int64_t i = 0; i < m; ++i)
              buffer[static_cast<size_t>(p + i)] =
                  static_cast<C>(load_element(from[q[0] + i * row.inner()[0]]));
          });
        }
        r[o + k] = static_cast<T>(Op::row(values, n));
      }
    });
  });
}

template <class Op, class List>
void eval_reduce(EvalCtx& c) {
  const Tensor& x = c.in(0);
  const std::vector<bool> reduced = reduced_axes(c, 1, x.rank());
  const Dims dims = reduced_dims(x.dims, reduced, c.attrs().i("keepdims", 1) != 0);
  Tensor& out = c.out(0, x.dtype, dims);
  if (x.dtype == DType::Bool) {  // largest = any, smallest = all
    Tensor bytes = Tensor::uninitialized(DType::U8, x.dims);
    map_unary<BoolByte, uint8_t>(x, bytes, [](bool b) { return b; });
    return reduce<Op, uint8_t>(bytes, reduced, out);
  }
  dispatch<List>(x.dtype, [&]<class T>() { reduce<Op, T>(x, reduced, out); });
}

// Contents of a shape vector reduced as a whole.
template <Dim (*F)(Dim, Dim)>
void infer_with_contents(InferCtx& c) {
  infer_reduction(c, 1, c.dtype(0));
  const auto v = c.value(0);
  const auto reduced = c.rank(0) == 1 ? reduced_axes(c, 1, 1) : std::nullopt;
  if (!v || !reduced || !reduced->at(0) || v->empty()) return;
  Dim acc = v->front();
  for (size_t i = 1; i < v->size(); ++i) acc = F(acc, (*v)[i]);
  c.out_value(0, {acc});
}
void infer_plain(InferCtx& c) { infer_reduction(c, 1, c.dtype(0)); }

Dim add(Dim a, Dim b) { return a + b; }
Dim multiply(Dim a, Dim b) { return a * b; }

}  // namespace

void register_reduce(OpRegistry& r) {
  const auto row = [&r](const char* type, auto infer, auto eval, Exactness exactness = Exactness::rounding) {
    r.add({.domain = "", .type = type, .infer = infer, .eval = eval, .exactness = exactness});
  };
  row("ReduceSum", infer_with_contents<add>, eval_reduce<Sum, Numbers>);
  row("ReduceProd", infer_with_contents<multiply>, eval_reduce<Prod, Numbers>);
  row("ReduceMax", infer_with_contents<Dim::max>, eval_reduce<Max, Numbers>, Exactness::bitwise);
  row("ReduceMin", infer_with_contents<Dim::min>, eval_reduce<Min, Numbers>, Exactness::bitwise);
  row("ReduceMean", infer_plain, eval_reduce<Mean, Numbers>);
  row("ReduceL1", infer_plain, eval_reduce<L1, Numbers>);
  row("ReduceL2", infer_plain, eval_reduce<L2, Numbers>);
  row("ReduceLogSum", infer_plain, eval_reduce<LogSum, Numbers>);
  row("ReduceLogSumExp", infer_plain, eval_reduce<LogSumExp, Numbers>);
  row("ReduceSumSquare", infer_plain, eval_reduce<SumSquare, Numbers>);
}

}  // namespace lathe
