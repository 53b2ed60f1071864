// ArgMax and ArgMin. The first of equals, or the last with select_last_index; NaN is the extreme, as in
// numpy.
#include "ir/ops/op_def.h"
#include "ir/ops/reduce/axes.h"
#include "ir/ops/row_math.h"

namespace lathe {
namespace {

template <bool kMax>
void eval_arg(EvalCtx& c) {
  const Tensor& x = c.in(0);
  const auto axis = static_cast<size_t>(normalize_axis(c.attrs().i("axis", 0), x.rank()));
  const bool last = c.attrs().i("select_last_index", 0) != 0;
  std::vector<bool> reduced(x.dims.size());
  reduced[axis] = true;
  Tensor& out = c.out(0, DType::I64, reduced_dims(x.dims, reduced, c.attrs().i("keepdims", 1) != 0));
  if (out.count() == 0) return;
  const int64_t n = x.dims[axis], inner = span_count(x.dims, axis + 1, x.dims.size());
  if (n == 0) fail("axis {} has no elements", axis);
  int64_t* r = out.mutable_data<int64_t>().data();
  dispatch<Numbers>(x.dtype, [&]<class T>() {
    const T* in = x.data<T>().data();
    parallel_for(out.count(), rows_per_chunk(n), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const T* at = in + row / inner * n * inner + row % inner;
        int64_t best = 0;
        auto top = load_element(at[0]);
        for (int64_t i = 1; i < n; ++i) {
          const auto v = load_element(at[i * inner]);
          const bool better = kMax ? v > top : v < top;
          const bool equal = v == top || (v != v && top != top);
          if ((better && top == top) || (v != v && top == top) || (last && equal)) {
            best = i;
            top = v;
          }
        }
        r[row] = best;
      }
    });
  });
}

void infer_arg(InferCtx& c) {
  const Shape* x = c.shape(0);
  if (x == nullptr) return c.out(0, DType::I64);
  const int64_t axis = normalize_axis(c, c.attrs().i("axis", 0), static_cast<int64_t>(x->size()));
  Shape out = *x;
  if (c.attrs().i("keepdims", 1) != 0)
    out[static_cast<size_t>(axis)] = Dim(1);
  else
    out.erase(out.begin() + axis);
  c.out(0, DType::I64, std::move(out));
}

}  // namespace

void register_arg_reduce(OpRegistry& r) {
  r.add({.domain = "",
         .type = "ArgMax",
         .infer = infer_arg,
         .eval = eval_arg<true>,
         .exactness = Exactness::bitwise});
  r.add({.domain = "",
         .type = "ArgMin",
         .infer = infer_arg,
         .eval = eval_arg<false>,
         .exactness = Exactness::bitwise});
}

}  // namespace lathe
