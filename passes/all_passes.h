// One function a pass, named as the pass (dashes are underscores), defined in the file of that name.
#pragma once
#include "passes/core/pass.h"

namespace lathe {

// cleanup/

// fold/

// fusion/
PassDef fuse_gelu();

// quant/
PassDef quant4();

}  // namespace lathe
