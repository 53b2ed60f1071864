// Blockwise integer quantization of a weight matrix into the layout of com.microsoft MatMulNBits: the input
// dimension K is cut into blocks of `block` values with one scale each (onnxruntime docs/ContribOperators.md,
// "MatMulNBits"; rounding as in its mlas/lib/q4_dq.cpp, so that equal settings give equal bytes).
#pragma once
#include <cstdint>

#include "ir/core/tensor.h"

namespace lathe {

struct NBitsScheme {
  int bits = 4;              // 2, 4 or 8
  int64_t block = 32;        // a power of two, at least 16
  bool symmetric = true;     // zero point fixed at 2^(bits-1); otherwise one zero point a block
  bool half_scales = false;  // scales rounded to float16 (and the codes chosen for the rounded scale)
};

struct NBitsWeight {
  Tensor codes;          // uint8 [N, blocks, block * bits / 8], lowest bits first
  Tensor scales;         // float32 or float16 [N * blocks], scale of (n, b) at n * blocks + b
  Tensor zero_points;    // uint8 [N * ceil(blocks * bits / 8)]; undefined if symmetric
  double max_error = 0;  // largest |w - dequantized| in units of its block's step
  double rms_error = 0;  // sqrt(sum |w - dequantized|^2 / sum w^2)
};

// w: a constant float32 or float16 matrix, [K, N], or [N, K] when transposed. A NaN or infinity is an input
// error.
NBitsWeight quantize_nbits(const Tensor& w, bool transposed, const NBitsScheme& scheme);

// Back to float32 [K, N] (or [N, K]): the plain definition, for tests and reports.
Tensor dequantize_nbits(const NBitsWeight& q, int64_t k, int64_t n, bool transposed,
                        const NBitsScheme& scheme);

}  // namespace lathe
