// ConvInteger, QLinearConv. Products of integers are taken in double, where they are exact.
#include "ir/ops/convert.h"
#include "ir/ops/nn/conv.h"
#include "ir/ops/op_def.h"
#include "ir/ops/quant/affine.h"
#include "ir/ops/tensor/args.h"

namespace lathe {
namespace {

Tensor integer_conv(EvalCtx& c, const Tensor& x, const Tensor* x_zero, const Tensor& w,
                    const Tensor* w_zero) {
  if (x_zero != nullptr && x_zero->count() != 1) fail("the input has {} zero points, not 1", x_zero->count());
  return conv(centered(x, x_zero, 0), centered(w, w_zero, 0), nullptr, c.attrs());
}

void eval_conv_integer(EvalCtx& c) {
  c.set(0,
        convert(convert(integer_conv(c, c.in(0), c.maybe(2), c.in(1), c.maybe(3)), DType::I64), DType::I32));
}

void eval_qlinear_conv(EvalCtx& c) {
  const Tensor &x = c.in(0), &x_scale = c.in(1), &w = c.in(3), &w_scale = c.in(4), &y_scale = c.in(6),
               &y_zero = c.in(7);
  const Tensor product = integer_conv(c, x, &c.in(2), w, &c.in(5));
  if (x_scale.count() != 1 || y_scale.count() != 1 || y_zero.count() != 1)
    fail("input and result take one scale");
  const int64_t features = w.dims.empty() ? 0 : w.dims[0];
  const auto scales = w_scale.to_doubles();
  if (scales.size() != 1 && static_cast<int64_t>(scales.size()) != features)
    fail("{} scales for {} features", scales.size(), features);
  const Tensor* bias = c.maybe(8);
  if (bias != nullptr && bias->count() != features)
    fail("a bias of {} for {} features", bias->count(), features);
  const auto add = bias != nullptr ? bias->to_doubles() : std::vector<double>();
  const int64_t area = element_count(std::span<const int64_t>(product.dims).subspan(2));
  Tensor real = Tensor::uninitialized(DType::F32, product.dims);
  const auto to = real.mutable_data<float>();
  for (int64_t i = 0; i < product.count(); ++i) {
    const auto at = static_cast<size_t>(i), feature = static_cast<size_t>(i / area % features);
    const double v = product.data<double>()[at] + (add.empty() ? 0 : add[feature]);
    to[at] = static_cast<float>(v * x_scale.as_double(0) * scales[scales.size() == 1 ? 0 : feature]);
  }
  c.set(0, quantize(real, y_scale, &y_zero, y_zero.dtype, {}));
}

}  // namespace

void register_integer_conv(OpRegistry& r) {
  r.add({"", "ConvInteger", [](InferCtx& c) { infer_conv(c, 1, DType::I32); }, eval_conv_integer,
         Exactness::bitwise});
  r.add({"", "QLinearConv", [](InferCtx& c) { infer_conv(c, 3, c.dtype(7)); }, eval_qlinear_conv});
}

}  // namespace lathe
