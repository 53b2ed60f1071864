// The passes of this folder, for all_passes.cpp: apart from all_passes.h, which every pass includes.
#pragma once
#include "passes/core/pass.h"

namespace lathe {

PassDef bf16();
PassDef fp16();
PassDef quant2();
PassDef quant8();

}  // namespace lathe
