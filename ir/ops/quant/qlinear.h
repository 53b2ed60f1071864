// Operands of the QLinear ops (com.microsoft): a tensor of bytes, its scale and its optional zero point stand
// side by side.
#pragma once
#include "ir/ops/eval_ctx.h"

namespace lathe {

// Input i, with its scale at i + 1 and its zero point at i + 2, as floats.
Tensor dequantized(EvalCtx& c, size_t i);
// Sets output 0: bytes of the type `dtype` under the scale at input `scale` and the zero point after it.
void set_quantized(EvalCtx& c, const Tensor& real, size_t scale, DType dtype);

}  // namespace lathe
