// Affine quantization, as QuantizeLinear and DequantizeLinear define it: one scale and zero point for the
// tensor, for each place along an axis, or for each block along it.
#pragma once
#include <cstdint>

#include "ir/ops/eval_ctx.h"

namespace lathe {

// Which scale an element takes: of [outer, axis, inner] elements, scales are [outer?, places, inner?].
struct ScaleMap {
  int64_t axis = 1, inner = 1;  // sizes of x around the axis
  int64_t block = 0;            // 0: not blocked
  int64_t places = 1;           // of the scale along the axis; 1 and no block: one for the tensor

  int64_t at(int64_t i) const {
    if (block > 0) return (i / inner / axis * places + i / inner % axis / block) * inner + i % inner;
    return places == 1 ? 0 : i / inner % axis;
  }
};

// Checks scale (and zero point, may be null) against x's shape.
ScaleMap scale_map(const Tensor& x, const Tensor& scale, const Tensor* zero, int64_t axis, int64_t block);

// round(x / scale) + zero, saturated to the type; floats of 8 and 4 bits by their own rounding.
// x, scale: floats (x may be int32); zero: of the output's type, or null.
Tensor quantize(const Tensor& x, const Tensor& scale, const Tensor* zero, DType to, const ScaleMap& map,
                bool saturate = true);
// (x - zero) * scale, in the type `to`.
Tensor dequantize(const Tensor& x, const Tensor& scale, const Tensor* zero, DType to, const ScaleMap& map);

struct DynamicScale {
  Tensor scale, zero;  // scalars: float, uint8
};
// DynamicQuantizeLinear's choice for a float tensor: 8 bits over its range, zero included.
DynamicScale dynamic_scale(const Tensor& x);

// Integers (narrow ones too) or 8-bit floats less their zero point, as doubles: products of integers are
// exact up to 2^53. zero: null, one value, or one for each place of the axis.
Tensor centered(const Tensor& x, const Tensor* zero, int64_t axis);

}  // namespace lathe
