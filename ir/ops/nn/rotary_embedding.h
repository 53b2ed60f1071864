// Rotary position embedding (Su et al. 2021) on tensors.
#pragma once
#include "ir/core/tensor.h"

namespace lathe {

struct RotaryParams {
  int64_t heads = 0;    // of x [batch, rows, heads * size]; not read for rank 4 [batch, heads, rows, size]
  int64_t rotated = 0;  // leading values of each head that turn; 0: all
  bool interleaved = false;
};

// cos and sin [positions, rotated / 2] indexed by positions [batch, rows], or [batch, rows, rotated / 2]
// without them.
Tensor rotary_embedding(const Tensor& x, const Tensor& cos, const Tensor& sin, const Tensor* positions,
                        const RotaryParams& params);

}  // namespace lathe
