// One pass over a float weight: what is odd in it.
#pragma once
#include <cstdint>

#include "ir/core/tensor.h"

namespace lathe::lint {

struct WeightStats {
  int64_t count = 0;
  int64_t nan = 0, plus_infinite = 0, minus_infinite = 0, denormal = 0;
  double largest = 0;     // magnitude among the finite ones
  bool constant = false;  // all elements have the same bits
};

// float16, bfloat16, float and double, read in place; others give count 0.
WeightStats weight_stats(const Tensor& t);

}  // namespace lathe::lint
