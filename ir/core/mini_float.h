#pragma once
#include "ir/base/narrow_types.h"
#include "ir/core/dtype.h"

namespace lathe {

// The layout of the 8-, 6- and 4-bit floats that have a mantissa; nullptr for all other types.
const MiniFloat* mini_float(DType t);

}  // namespace lathe
