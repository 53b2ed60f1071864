// The passes of this folder; apart from all_passes.h, which every pass includes.
#pragma once
#include "passes/core/pass.h"

namespace lathe {

PassDef bf16();
PassDef fp16();

}  // namespace lathe
