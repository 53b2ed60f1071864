// What rewrites leave behind.
#pragma once
#include <vector>

#include "ir/core/model.h"

namespace lathe {

// Erases those of the values that are initializers and that nothing uses any more. None, erased ones and
// repeated ones may be among them.
void erase_unused(Model& m, const std::vector<ValueId>& values);

}  // namespace lathe
