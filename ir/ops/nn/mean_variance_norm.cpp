// MeanVarianceNormalization: (x - mean) / (deviation + 1e-9) over the given axes. Its function body computes
// in float only, and takes the variance as a difference of means, which cancels.
#include "ir/ops/call_op.h"
#include "ir/ops/convert.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

constexpr double kEpsilon = 1e-9;

void eval_mean_variance_norm(EvalCtx& c) {
  const Tensor& x = c.in(0);
  const DType wide = x.dtype == DType::F64 ? DType::F64 : DType::F32;
  const Tensor axes = Tensor::of_i64(c.attrs().ints("axes", {0, 2, 3}));
  const auto mean = [&](const Tensor& t) { return call_op(c, "ReduceMean", {}, {t, axes}); };
  const Tensor wx = convert(x, wide);
  const Tensor d = call_op(c, "Sub", {}, {wx, mean(wx)});
  const Tensor deviation = call_op(c, "Sqrt", {}, {mean(call_op(c, "Mul", {}, {d, d}))});
  const Tensor divisor = call_op(c, "Add", {}, {deviation, Tensor::full(wide, {}, kEpsilon)});
  c.set(0, convert(call_op(c, "Div", {}, {d, divisor}), x.dtype));
}

void infer_mean_variance_norm(InferCtx& c) {
  const Shape* s = c.shape(0);
  c.out(0, c.dtype(0), s != nullptr ? std::optional(*s) : std::nullopt);
}

}  // namespace

void register_mean_variance_norm(OpRegistry& r) {
  r.add({.domain = "",
         .type = "MeanVarianceNormalization",
         .infer = infer_mean_variance_norm,
         .eval = eval_mean_variance_norm});
}

}  // namespace lathe
