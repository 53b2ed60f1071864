// How one weight is held: the data that passes, policies and searches hand to the quantizers.
#pragma once
#include <cstdint>

#include "ir/core/dtype.h"

namespace lathe {

enum class Rounding : uint8_t { rtn, mse, hqq, gptq, awq };  // passes/quant/rounding, one file each

enum class Form : uint8_t {
  contrib,   // com.microsoft MatMulNBits and GatherBlockQuantized
  standard,  // blocked DequantizeLinear of opset 21 on INT4/UINT4 or INT8/UINT8
};

struct Scheme {
  int bits = 4;               // 2, 4 or 8
  int64_t block = 32;         // values along K that share a scale: a power of two, at least 16
  bool symmetric = true;      // zero point fixed at 2^(bits-1); otherwise one zero point a block
  bool float_zero = false;    // zero points in the type of the scales, between codes (MatMulNBits alone)
  DType scales = DType::F32;  // or F16, BF16; codes are chosen for the rounded scale
  Rounding rounding = Rounding::rtn;
  Form form = Form::contrib;
  int64_t accuracy_level = 0;  // MatMulNBits attribute; 0 leaves it out

  bool operator==(const Scheme&) const = default;
};

}  // namespace lathe
