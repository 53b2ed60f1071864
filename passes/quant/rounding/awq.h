// AWQ (Lin et al., "AWQ: Activation-aware Weight Quantization for LLM Compression and Acceleration", MLSys
// 2024): input channels with large activations are made small, and their weights large by the same factor,
// before rounding, so that their relative error falls. The factors are mean |x| to the power that leaves the
// least error of the products, over a grid.
#pragma once
#include <vector>

#include "ir/core/tensor.h"
#include "passes/quant/calibrate.h"
#include "passes/quant/scheme.h"

namespace lathe {

struct AwqWeight {
  const Tensor* weight = nullptr;  // [K, N], or [N, K] when transposed
  bool transposed = false;
};

// One factor an input channel for weights that share their input: weights are multiplied, activations divided
// by it. Empty where no power is better than none. `stats` has a gram.
std::vector<float> awq_factors(const std::vector<AwqWeight>& weights, const InputStats& stats,
                               const Scheme& scheme);

// The weight as float32 with every input channel multiplied by its factor.
Tensor scaled_channels(const AwqWeight& w, const std::vector<float>& factors);

}  // namespace lathe
