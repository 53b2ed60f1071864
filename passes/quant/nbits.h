// Blockwise integer quantization of a weight matrix into the layout of com.microsoft MatMulNBits: the input
// dimension K is cut into blocks of `block` values with one scale each (onnxruntime docs/ContribOperators.md,
// "MatMulNBits").
#pragma once
#include <cstdint>
#include <functional>

#include "ir/core/tensor.h"
#include "passes/quant/rounding/gptq.h"
#include "passes/quant/scheme.h"

namespace lathe {

struct NBitsWeight {
  Tensor codes;   // uint8 [N, blocks, block * bits / 8], lowest bits first
  Tensor scales;  // Scheme::scales [N, blocks]
  Tensor
      zero_points;  // uint8 [N, ceil(blocks * bits / 8)]; float_zero: as the scales; undefined if symmetric
  double max_error = 0;  // largest |w - dequantized| in units of its block's step
  double rms_error = 0;  // sqrt(sum |w - dequantized|^2 / sum w^2)
};

// What is known of the inputs that a weight is multiplied with.
struct WeightInput {
  std::span<const float> importance = {};  // [K]: mean x^2; empty: every row counts the same
  const GptqFactor* factor = nullptr;      // Rounding::gptq wants it
  // Called with rows [first, last) of the weight as it is stored once they have been read and before their
  // pages leave memory. Not with gptq; from any thread, for disjoint rows.
  std::function<void(int64_t, int64_t)> have_read = {};
  int64_t panel_bytes = int64_t{64} << 20;  // results that are worked on, and in memory, at a time
};

// w: a constant float32, float16 or bfloat16 matrix, [K, N], or [N, K] when transposed. A NaN or infinity,
// and a scale beyond its type, is an input error. Works on 64 columns at a time, on all cores; equal results
// on any number.
NBitsWeight quantize_nbits(const Tensor& w, bool transposed, const Scheme& scheme,
                           const WeightInput& input = {});

// Back to float32 [K, N] (or [N, K]): the plain definition, for tests and reports.
Tensor dequantize_nbits(const NBitsWeight& q, int64_t k, int64_t n, bool transposed, const Scheme& scheme);

// A usage error if no layout can hold the scheme.
void check_scheme(const Scheme& scheme);

}  // namespace lathe
