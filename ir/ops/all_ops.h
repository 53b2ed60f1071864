// The list of op families. A new family: its file, its line here and in all_ops.cpp.
#pragma once
#include "ir/ops/op_def.h"

namespace lathe {

void register_all_ops(OpRegistry& r);

// One a family file, named register_<file>; alphabetical.
void register_elementwise_binary(OpRegistry& r);
void register_elementwise_unary(OpRegistry& r);

}  // namespace lathe
