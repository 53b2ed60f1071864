// Weights that are quantized already become float again, for a pass that is asked to quantize them anew.
#pragma once
#include "passes/core/context.h"

namespace lathe {

// MatMulNBits and GatherBlockQuantized of constants become MatMul (and Add) and Gather of float constants,
// and DequantizeLinear of a constant becomes its result. What is spelled otherwise (act-order, other axes,
// sizes that do not fit) stays and says so.
void expand_quantized(PassContext& ctx);

}  // namespace lathe
