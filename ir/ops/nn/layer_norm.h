// LayerNormalization and its root-mean-square form on tensors, shared with the com.microsoft spellings.
#pragma once
#include <optional>

#include "ir/ops/eval_ctx.h"

namespace lathe {

struct LayerNormParams {
  size_t axis = 0;  // the dims from here on are normalised together
  float epsilon = 1e-5f;
  bool centered = true;           // false: RMS
  const Tensor* scale = nullptr;  // broadcast to x's shape; may be of another float type
  const Tensor* bias = nullptr;   // likewise, or null
};

// Computes in float (double for doubles), rounds once. mean and inverse deviation, where asked for, are float
// (double) with x's dims, those from axis on being 1.
void layer_norm(const Tensor& x, const LayerNormParams& p, Tensor& y, Tensor* mean,
                Tensor* inverse_deviation);

}  // namespace lathe
