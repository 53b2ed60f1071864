// BiasSplitGelu (com.microsoft): of x + bias, the first half of the last axis times the Gelu of the second.
// Shazeer, "GLU Variants Improve Transformer".
#include <cmath>
#include <numbers>

#include "ir/base/parallel.h"
#include "ir/ops/contrib/shapes.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

void infer_bias_split_gelu(InferCtx& c) {
  const Shape* s = c.shape(0);
  if (s == nullptr) return c.out(0, c.dtype(0));
  if (s->empty()) c.contradiction("a scalar");
  Shape out = *s;
  out.back() = Dim::floor_div(out.back(), 2);
  c.out(0, c.dtype(0), std::move(out));
}

void eval_bias_split_gelu(EvalCtx& c) {
  const Tensor &x = c.in(0), &bias = c.in(1);
  if (x.rank() < 1 || x.dims.back() % 2 != 0) fail("the last axis does not split in two");
  const int64_t width = x.dims.back(), half = width / 2;
  if (bias.count() != width) fail("a bias of {} elements for a last axis of {}", bias.count(), width);
  std::vector<int64_t> dims = x.dims;
  dims.back() = half;
  with_float(float_compute_type({&x, &bias}), [&]<class T>() {
    const Tensor wx = convert(x, dtype_of<T>), wb = convert(bias, dtype_of<T>);
    Tensor y = Tensor::uninitialized(dtype_of<T>, dims);
    const T *from = wx.data<T>().data(), *add = wb.data<T>().data();
    T* to = y.mutable_data<T>().data();
    parallel_for(y.count(), 1 << 12, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t row = i / half * width, k = i % half;
        const T left = from[row + k] + add[k], right = from[row + half + k] + add[half + k];
        to[i] = left * (T(0.5) * right * (T(1) + std::erf(right * static_cast<T>(std::numbers::sqrt2 / 2))));
      }
    });
    set_rounded(c, 0, y, x.dtype);
  });
}

}  // namespace

void register_contrib_bias_split_gelu(OpRegistry& r) {
  r.add({kMicrosoft, "BiasSplitGelu", infer_bias_split_gelu, eval_bias_split_gelu});
}

}  // namespace lathe
