// One function a pass, named as the pass (dashes are underscores), defined in the file of that name.
#pragma once
#include "passes/core/pass.h"

namespace lathe {

// cleanup/

// fold/

// fusion/
PassDef fuse_gelu();
PassDef fuse_bias_gelu();
PassDef fuse_quick_gelu();
PassDef fuse_layer_norm();
PassDef fuse_rms_norm();
PassDef fuse_skip_layer_norm();
PassDef fuse_embed_layer_norm();
PassDef fuse_attention();

// quant/
PassDef quant4();

}  // namespace lathe
