// The list of passes and groups, in the order of help and docs. A pass: its file, its line here.
#include "passes/all_passes.h"

#include "passes/core/pass.h"
#include "passes/fusion/split_slow.h"
#include "passes/quant/half/half.h"
#include "passes/quant/search/auto.h"
#include "passes/quant/static/static.h"

namespace lathe {

const std::vector<PassDef>& all_passes() {
  static const std::vector<PassDef> passes = {
      lift_constants(),
      identity(),
      cse(),
      dedup(),
      dce(),
      strip(),

      fold(),

      fold_shapes(),
      simplify_cast(),
      simplify_reshape(),
      simplify_transpose(),
      simplify_slice(),
      simplify_concat(),
      simplify_expand(),
      algebra(),

      bind_dims(),
      rename_dims(),
      clamp_batch(),
      make_dynamic(),

      inline_functions(),
      inline_if(),
      unroll(),

      fuse_attention(),
      fuse_bias_gelu(),
      fuse_conv_activation(),
      fuse_conv_add(),
      fuse_conv_bn(),
      fuse_conv_mul(),
      fuse_embed_layer_norm(),
      fuse_gelu(),
      fuse_layer_norm(),
      fuse_matmul_bias(),
      fuse_matmul_scale(),
      fuse_pad(),
      fuse_quick_gelu(),
      fuse_rms_norm(),
      fuse_skip_layer_norm(),
      split_slow(),

      bf16(),
      fp16(),
      quant2(),
      quant4(),
      quant8(),
      quant_dynamic(),
      quant_static(),
      policy(),
      auto_precision(),
  };
  return passes;
}

const std::vector<GroupDef>& all_groups() {
  static const std::vector<GroupDef> groups = {
      {"simplify", "Fold, remove and merge until nothing changes; standard ops stay standard ops",
       "inline,lift-constants,inline-if,unroll{max-trips=1},fold-shapes,fold,identity,simplify-cast,simplify-"
       "reshape,"
       "simplify-transpose,simplify-slice,simplify-concat,simplify-expand,algebra,cse,dedup,dce",
       true},
      {"fuse", "Simplify, then fuse what the target has one kernel for",
       "simplify,fuse-pad,fuse-conv-bn,fuse-conv-mul,fuse-conv-add,fuse-layer-norm,fuse-rms-norm,fuse-gelu,"
       "fuse-quick-gelu,fuse-attention,fuse-embed-layer-norm,fuse-skip-layer-norm,fuse-bias-gelu,"
       "fuse-matmul-bias,fuse-conv-activation,fuse-matmul-scale,cse,dedup,dce",
       false},
      {"q4f16", "4-bit weights, float16 activations: what browsers use", "quant4,fp16", false},
      {"O1", "Preset -O1: simplify in standard ops", "simplify", false},
      {"O2", "Preset -O2 (the default): simplify and fuse", "fuse", false},
      {"O3", "Preset -O3: as -O2, what the target computes slower fused in parts, then simplify once more",
       "fuse,split-slow,simplify", false},
  };
  return groups;
}

}  // namespace lathe
