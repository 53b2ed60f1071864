// TopK: the k largest or smallest along an axis, of equals the lower index first; NaN counts as largest.
#include <numeric>

#include "ir/ops/all_ops.h"
#include "ir/ops/row_math.h"

namespace lathe {
namespace {

void eval_topk(EvalCtx& c) {
  const Tensor& x = c.in(0);
  if (c.in(1).count() != 1) fail("k must be one number");
  const auto axis = static_cast<size_t>(normalize_axis(c.attrs().i("axis", -1), x.rank()));
  const bool largest = c.attrs().i("largest", 1) != 0, sorted = c.attrs().i("sorted", 1) != 0;
  const int64_t k = c.in(1).as_i64(0), n = x.dims[axis], inner = span_count(x.dims, axis + 1, x.dims.size());
  if (k < 0 || k > n) fail("k = {} of {} elements along axis {}", k, n, axis);
  Dims dims = x.dims;
  dims[axis] = k;
  Tensor values = Tensor::uninitialized(x.dtype, dims), indices = Tensor::uninitialized(DType::I64, dims);
  if (k > 0 && x.count() > 0) {
    dispatch<Numbers>(x.dtype, [&]<class T>() {
      const T* in = x.data<T>().data();
      T* v = values.mutable_data<T>().data();
      int64_t* at = indices.mutable_data<int64_t>().data();
      parallel_for(x.count() / n, rows_per_chunk(n), [&](int64_t begin, int64_t end) {
        std::vector<int64_t> order(static_cast<size_t>(n));
        for (int64_t row = begin; row < end; ++row) {
          const int64_t from = row / inner * n * inner + row % inner,
                        to = row / inner * k * inner + row % inner;
          std::iota(order.begin(), order.end(), int64_t{0});
          const auto before = [&](int64_t i, int64_t j) {
            const auto a = load_element(in[from + i * inner]), b = load_element(in[from + j * inner]);
            const bool nan_a = a != a, nan_b = b != b;
            if (nan_a != nan_b) return nan_a == largest;
            if (a == b || nan_a) return i < j;
            return largest ? a > b : a < b;
          };
          std::partial_sort(order.begin(), order.begin() + k, order.end(), before);
          if (!sorted) std::sort(order.begin(), order.begin() + k);
          for (int64_t i = 0; i < k; ++i) {
            at[to + i * inner] = order[static_cast<size_t>(i)];
            v[to + i * inner] = in[from + order[static_cast<size_t>(i)] * inner];
          }
        }
      });
    });
  }
  c.set(0, std::move(values));
  c.set(1, std::move(indices));
}

void infer_topk(InferCtx& c) {
  std::optional<Shape> out;
  if (const Shape* x = c.shape(0)) {
    out = *x;
    const auto k = c.value(1);
    const int64_t axis = normalize_axis(c, c.attrs().i("axis", -1), static_cast<int64_t>(x->size()));
    (*out)[static_cast<size_t>(axis)] = k && k->size() == 1 ? k->front() : Dim::unknown();
  }
  c.out(0, c.dtype(0), out);
  c.out(1, DType::I64, out);
}

}  // namespace

void register_topk(OpRegistry& r) {
  r.add({.domain = "",
         .type = "TopK",
         .infer = infer_topk,
         .eval = eval_topk,
         .exactness = Exactness::bitwise});
}

}  // namespace lathe
