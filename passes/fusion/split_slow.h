// Takes fused ops apart whose bias or residual something else wants, or whose parts are faster.
#pragma once
#include "passes/core/pass.h"

namespace lathe {

//   SkipLayerNormalization (x, skip, scale, shift, bias)  =>  LayerNormalization (Sum (Add (x, bias), skip),
//   ...) BiasGelu (x, bias)                                    =>  Gelu (Sum (x, bias))
// Where it was, the bias can go into the product before. A Sum, because onnxruntime fuses Add with what
// follows when it loads a model (1.31), and leaves Sum alone.
bool split_skip_norm(PassContext& ctx, NodeId n);
bool split_bias_gelu(PassContext& ctx, NodeId n);
// The one or the other, if the target computes `n` slower than its parts.
bool split_where_slow(PassContext& ctx, NodeId n);
// All of them, in all graphs.
void split_biases(PassContext& ctx);

PassDef split_slow();

}  // namespace lathe
