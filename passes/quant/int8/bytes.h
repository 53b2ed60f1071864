// A weight matrix as bytes with one scale a column (output channel) or one for all, laid out as
// MatMulInteger, QAttention and their kin read it: [K, N], row-major.
#pragma once
#include <cstdint>
#include <vector>

#include "ir/core/tensor.h"
#include "passes/core/pass.h"

namespace lathe {

struct ByteFormat {
  bool is_signed = true;      // int8 around zero; otherwise uint8 with a zero point
  bool per_channel = true;    // a scale a column
  bool reduce_range = false;  // 7 bits: without VNNI, sums of two products of 8 bits overflow 16 bits

  bool operator==(const ByteFormat&) const = default;
};

// From the options weights, per-channel and reduce-range of a pass.
ByteFormat byte_format(const PassOptions& o);

struct ByteWeight {
  Tensor codes;          // int8 or uint8 [K, N]
  Tensor scales;         // float32 [N], or a scalar
  Tensor zero_points;    // as codes, [N] or a scalar; all zero where signed
  double rms_error = 0;  // sqrt(sum |w - dequantized|^2 / sum w^2)
};

// w: a constant float32, float16 or bfloat16 matrix, [K, N], or [N, K] when transposed. Plain rounding, the
// bytes of onnxruntime's quantizer. A NaN or an infinity is an input error. Works on 64 columns at a time, on
// all cores; equal results on any number.
ByteWeight quantize_bytes(const Tensor& w, bool transposed, const ByteFormat& format);

// Back to float32 [K, N].
Tensor dequantize_bytes(const ByteWeight& q);

// By column of w, the sum over K of mean * w - rounded * dequantized: what rounding takes from the mean of
// each output when the inputs have the means `mean`, and `rounded` once they are rounded.
std::vector<double> lost_in_columns(const Tensor& w, bool transposed, const ByteWeight& q,
                                    const std::vector<double>& mean, const std::vector<double>& rounded);

}  // namespace lathe
