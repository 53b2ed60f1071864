// The two 16-bit float types as numbers (IEEE 754 binary16; bfloat16 is the upper half of binary32).
#pragma once
#include "ir/core/dtype.h"

namespace lathe {

struct HalfKind {
  DType dtype;
  double largest;    // finite
  double normal;     // smallest with all bits of precision
  double smallest;   // above zero
  double step;       // relative rounding error
  const char* name;  // of the pass and the policies' scheme

  static HalfKind of(DType t) {
    if (t == DType::F16) return {t, 65504.0, 0x1p-14, 0x1p-24, 0x1p-11, "fp16"};
    return {t, 0x1.fep127, 0x1p-126, 0x1p-133, 0x1p-8, "bf16"};
  }
};

}  // namespace lathe
