// Scale and zero point of a range, and constants held by them.
#pragma once
#include "ir/core/tensor.h"
#include "passes/quant/int8/bytes.h"
#include "passes/quant/static/ranges.h"

namespace lathe {

struct Codes {
  Tensor scale, zero;  // scalars: float32, and of the type of the codes
};

// Spans the range. An empty one has scale 1.
Codes codes_of(const CodeRange& r, DType type, bool symmetric);
int code_count(DType type);

struct CodedWeight {
  // Zero points are undefined for 8-bit floats; zeros are kept, without them onnxruntime fuses no QGemm.
  Tensor codes, scales, zero_points;
  double rms_error = 0;
};
// Of a weight whose output channels lie along `axis`; scales along it, or one.
CodedWeight code_weight(const Tensor& w, int64_t axis, const ByteFormat& format, DType activations);
// Back to float32.
Tensor decode_weight(const CodedWeight& w, int64_t axis);

// round(bias / (x_scale * weight scale)) as int32; undefined where a value does not fit.
struct CodedBias {
  Tensor codes, scales;
};
CodedBias code_bias(const Tensor& bias, double x_scale, const Tensor& weight_scales);

}  // namespace lathe
