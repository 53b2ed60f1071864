// A quantized product is checked on some of its columns: a head of 49,152 costs the check 64.
#pragma once
#include <vector>

#include "ir/core/tensor.h"

namespace lathe {

// At even distances, the first and the last among them; empty where all are few.
std::vector<int64_t> sample_columns(int64_t n);

// These elements along an axis, packed types too.
Tensor sampled(const Tensor& t, int64_t axis, const std::vector<int64_t>& at);

}  // namespace lathe
