// Running sums and products along one axis.
#include "ir/ops/int_math.h"
#include "ir/ops/op_def.h"
#include "ir/ops/row_math.h"

namespace lathe {
namespace {

template <bool kProduct>
void eval_cumulative(EvalCtx& c) {
  const Tensor& x = c.in(0);
  const Tensor& which = c.in(1);
  if (which.count() != 1) fail("the axis must be one number");
  const auto axis = static_cast<size_t>(normalize_axis(which.as_i64(0), x.rank()));
  const bool exclusive = c.attrs().i("exclusive", 0) != 0, reverse = c.attrs().i("reverse", 0) != 0;
  Tensor& out = c.out(0, x.dtype, x.dims);
  if (x.count() == 0) return;
  const int64_t n = x.dims[axis], inner = span_count(x.dims, axis + 1, x.dims.size());
  dispatch<Numbers>(x.dtype, [&]<class T>() {
    using C = Compute<T>;
    const T* in = x.data<T>().data();
    T* r = out.mutable_data<T>().data();
    parallel_for(x.count() / n, rows_per_chunk(n), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const int64_t base = row / inner * n * inner + row % inner;
        C acc = kProduct ? C{1} : C{0};
        for (int64_t i = 0; i < n; ++i) {
          const int64_t at = base + (reverse ? n - 1 - i : i) * inner;
          const C v = load_element(in[at]);
          const C before = acc;
          acc = kProduct ? wrap_mul(acc, v) : wrap_add(acc, v);
          r[at] = static_cast<T>(exclusive ? before : acc);
        }
      }
    });
  });
}

}  // namespace

void register_cumsum(OpRegistry& r) {
  r.add({.domain = "", .type = "CumSum", .infer = infer_unary<>, .eval = eval_cumulative<false>});
  r.add({.domain = "", .type = "CumProd", .infer = infer_unary<>, .eval = eval_cumulative<true>});
}

}  // namespace lathe
