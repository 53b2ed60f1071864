// Two operands added, however it is spelled.
#pragma once
#include "ir/core/model.h"

namespace lathe {

// Sum of two is Add; split-slow writes it where the target's runtime would fuse Add.
inline bool is_addition(const Node& n) { return n.is("Add") || (n.is("Sum") && n.in.size() == 2); }

}  // namespace lathe
