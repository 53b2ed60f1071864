// Parts of a tensor.
#pragma once
#include <vector>

#include "ir/core/tensor.h"

namespace lathe {

// These elements along an axis that is not empty, packed types too; no strings.
Tensor take_along(const Tensor& t, int64_t axis, const std::vector<int64_t>& at);

}  // namespace lathe
