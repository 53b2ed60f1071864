// Convolution on tensors, for Conv and the ops that have one inside.
#pragma once
#include "ir/ops/eval_ctx.h"
#include "ir/ops/infer_ctx.h"

namespace lathe {

// x [batch, channels, ...], w [features, channels / group, ...], bias [features] or null; attributes as of
// Conv. Floats, doubles and halves (computed in float, rounded once).
Tensor conv(const Tensor& x, const Tensor& w, const Tensor* bias, const Attrs& attrs);
// Conv's type rule: the data is input 0, the weight input `weight`, the result of type `dtype`.
void infer_conv(InferCtx& c, size_t weight, DType dtype);

}  // namespace lathe
