// The list of passes and groups, in the order of help and docs. A pass: its file, its line here.
#include "passes/all_passes.h"

#include "passes/core/pass.h"

namespace lathe {

const std::vector<PassDef>& all_passes() {
  static const std::vector<PassDef> passes = {
      fuse_attention(),  fuse_bias_gelu(),  fuse_embed_layer_norm(), fuse_gelu(),
      fuse_layer_norm(), fuse_quick_gelu(), fuse_rms_norm(),         fuse_skip_layer_norm(),

      quant4(),
  };
  return passes;
}

const std::vector<GroupDef>& all_groups() {
  static const std::vector<GroupDef> groups = {
      {"fuse", "Simplify, then fuse what the target has one kernel for", "fuse-gelu", true},
  };
  return groups;
}

}  // namespace lathe
