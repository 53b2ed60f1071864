// FusedConv (com.microsoft): convolution, a sum and an activation in one op.
#include "ir/ops/contrib/activation.h"
#include "ir/ops/contrib/shapes.h"
#include "ir/ops/nn/conv.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

void eval_fused_conv(EvalCtx& c) {
  const Tensor &x = c.in(0), &w = c.in(1);
  const Tensor *bias = c.maybe(2), *sum = c.maybe(3);
  const DType t = float_compute_type({&x, &w, bias, sum});
  const Tensor wb = bias != nullptr ? convert(*bias, t) : Tensor();
  const Tensor product = conv(convert(x, t), convert(w, t), bias != nullptr ? &wb : nullptr, c.attrs());
  if (sum != nullptr && sum->dims != product.dims) fail("the sum does not fit the convolution");
  with_float(t, [&]<class T>() {
    Tensor y = Tensor::uninitialized(t, product.dims);
    const auto to = y.mutable_data<T>();
    std::copy(product.data<T>().begin(), product.data<T>().end(), to.begin());
    if (sum != nullptr) {
      const Tensor ws = convert(*sum, t);
      for (size_t i = 0; i < to.size(); ++i) to[i] += ws.data<T>()[i];
    }
    activate<T>(c.attrs(), to);
    set_rounded(c, 0, y, x.dtype);
  });
}

}  // namespace

void register_contrib_fused_conv(OpRegistry& r) {
  r.add({kMicrosoft, "FusedConv", [](InferCtx& c) { infer_conv(c, 1, c.dtype(0)); }, eval_fused_conv});
}

}  // namespace lathe
