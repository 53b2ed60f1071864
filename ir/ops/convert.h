// Internal conversions between number types (Cast has rules of its own).
#pragma once
#include "ir/core/tensor.h"

namespace lathe {

// Every element as `dtype`: floats round to nearest, floats to integers truncate and saturate (NaN gives 0),
// integers to integers wrap. Wide numbers, halves and bool only. The same type gives the same tensor.
Tensor convert(const Tensor& t, DType dtype);

}  // namespace lathe
