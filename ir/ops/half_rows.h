// Rows of float16 to float32 and back (to the nearest, ties to even), with the processor's own conversion
// where it has one (F16C).
#pragma once
#include <cstdint>

#include "ir/base/narrow_types.h"

namespace lathe {

void widen_halves(const Half* from, float* to, int64_t n);
void narrow_to_halves(const float* from, Half* to, int64_t n);

}  // namespace lathe
