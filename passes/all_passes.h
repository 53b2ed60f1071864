// One function a pass, named as the pass (dashes are underscores), defined in the file of that name.
#pragma once
#include "passes/core/pass.h"

namespace lathe {

// cleanup/
PassDef cse();
PassDef dce();
PassDef dedup();
PassDef identity();
PassDef lift_constants();
PassDef strip();

// fold/
PassDef fold();

// shape/
PassDef algebra();
PassDef bind_dims();
PassDef clamp_batch();
PassDef fold_shapes();
PassDef make_dynamic();
PassDef rename_dims();
PassDef simplify_cast();
PassDef simplify_concat();
PassDef simplify_expand();
PassDef simplify_reshape();
PassDef simplify_slice();
PassDef simplify_transpose();

// control/
PassDef inline_functions();
PassDef inline_if();
PassDef unroll();

// fusion/
PassDef fuse_attention();
PassDef fuse_bias_gelu();
PassDef fuse_conv_activation();
PassDef fuse_conv_add();
PassDef fuse_conv_bn();
PassDef fuse_conv_mul();
PassDef fuse_embed_layer_norm();
PassDef fuse_gelu();
PassDef fuse_layer_norm();
PassDef fuse_matmul_bias();
PassDef fuse_matmul_scale();
PassDef fuse_pad();
PassDef fuse_quick_gelu();
PassDef fuse_rms_norm();
PassDef fuse_skip_layer_norm();

// quant/
PassDef policy();
PassDef quant2();
PassDef quant4();
PassDef quant8();
PassDef quant_dynamic();

}  // namespace lathe
