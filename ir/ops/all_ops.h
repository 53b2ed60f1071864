#pragma once
#include "ir/ops/op_def.h"

namespace lathe {

void register_all_ops(OpRegistry& r);

}  // namespace lathe
