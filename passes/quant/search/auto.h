#pragma once
#include "passes/core/pass.h"

namespace lathe {

// The pass "auto" (a keyword, so not named as the pass).
PassDef auto_precision();

}  // namespace lathe
