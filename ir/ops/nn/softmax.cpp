// Softmax, LogSoftmax and Hardmax along one axis.
#include <cmath>

#include "ir/base/work_vector.h"
#include "ir/ops/fast_math_rows.h"
#include "ir/ops/op_def.h"
#include "ir/ops/row_math.h"

namespace lathe {
namespace {

enum class Kind : uint8_t { softmax, log_softmax, hardmax };

void exponentials(const float* x, float shift, float* y, int64_t n) { exp_row(x, shift, y, n); }
void exponentials(const double* x, double shift, double* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = std::exp(x[i] - shift);
}

template <class C>
void softmax_row(Kind kind, const C* x, C* y, int64_t n) {
  if (kind == Kind::hardmax) {
    const C* top = std::max_element(x, x + n);  // the first of equals
    for (int64_t i = 0; i < n; ++i) y[i] = x + i == top ? C{1} : C{0};
    return;
  }
  const C top = row_max(x, n);
  if (kind == Kind::softmax) {
    exponentials(x, top, y, n);
    const C scale = 1 / row_sum(y, n);
    for (int64_t i = 0; i < n; ++i) y[i] *= scale;
  } else {
    exponentials(x, top, y, n);
    const C shift = std::log(row_sum(y, n));
    for (int64_t i = 0; i < n; ++i) y[i] = x[i] - top - shift;
  }
}

// As the op's function body: halves are rounded after the exponential, the sum and the quotient.
template <class T>
void half_softmax_row(const float* x, T* y, float* work, int64_t n, int64_t step) {
  exponentials(x, row_max(x, n), work, n);
  for (int64_t i = 0; i < n; ++i) work[i] = static_cast<float>(static_cast<T>(work[i]));
  const auto sum = static_cast<float>(static_cast<T>(row_sum(work, n)));
  for (int64_t i = 0; i < n; ++i) y[i * step] = static_cast<T>(work[i] / sum);
}

template <class T>
void softmax(Kind kind, const Tensor& x, Tensor& out, size_t axis) {
  using C = Compute<T>;
  const int64_t n = x.dims[axis], outer = span_count(x.dims, 0, axis),
                inner = span_count(x.dims, axis + 1, x.dims.size());
  if (x.count() == 0) return;
  const T* in = x.data<T>().data();
  T* y = out.mutable_data<T>().data();
  parallel_for(outer * inner, rows_per_chunk(n), [&](int64_t begin, int64_t end) {
    WorkVector<C> from(static_cast<size_t>(n)), to(static_cast<size_t>(n));
    for (int64_t r = begin; r < end; ++r) {
      const int64_t at = r / inner * n * inner + r % inner;
      if constexpr (std::is_same_v<T, C>) {
        if (inner == 1) {
          softmax_row(kind, in + at, y + at, n);
          continue;
        }
      }
      for (int64_t i = 0; i < n; ++i) from[static_cast<size_t>(i)] = static_cast<C>(in[at + i * inner]);
      if constexpr (is_half<T>) {
        if (kind == Kind::softmax) {
          half_softmax_row(from.data(), y + at, to.data(), n, inner);
          continue;
        }
      }
      softmax_row(kind, from.data(), to.data(), n);
      for (int64_t i = 0; i < n; ++i) y[at + i * inner] = static_cast<T>(to[static_cast<size_t>(i)]);
    }
  });
}

template <Kind K>
void eval_softmax(EvalCtx& c) {
  const Tensor& x = c.in(0);
  if (x.rank() == 0) {  // one element, which is all there is
    c.set(0, Tensor::full(x.dtype, {}, K == Kind::log_softmax ? 0 : 1));
    return;
  }
  const auto axis = static_cast<size_t>(normalize_axis(c.attrs().i("axis", -1), x.rank()));
  Tensor& out = c.out(0, x.dtype, x.dims);
  dispatch<Floats>(x.dtype, [&]<class T>() { softmax<T>(K, x, out, axis); });
}

void infer_softmax(InferCtx& c) {
  if (c.rank(0) > 0) normalize_axis(c, c.attrs().i("axis", -1), c.rank(0));
  infer_unary_with(c, DType::Undefined, nullptr);
}

}  // namespace

void register_softmax(OpRegistry& r) {
  r.add({.domain = "", .type = "Softmax", .infer = infer_softmax, .eval = eval_softmax<Kind::softmax>});
  r.add(
      {.domain = "", .type = "LogSoftmax", .infer = infer_softmax, .eval = eval_softmax<Kind::log_softmax>});
  r.add({.domain = "",
         .type = "Hardmax",
         .infer = infer_softmax,
         .eval = eval_softmax<Kind::hardmax>,
         .exactness = Exactness::bitwise});
}

}  // namespace lathe
