// The tensors of a quantized weight in the layout of the op that will read them.
#pragma once
#include "ir/core/tensor.h"
#include "passes/quant/nbits.h"

namespace lathe {

// GatherBlockQuantized: uint8 [rows, ceil(K * bits / 8)], K * bits a whole number of bytes.
Tensor table_codes(const NBitsWeight& q, int64_t k, const Scheme& s);

struct StandardWeight {
  Tensor codes;        // INT4/INT8 if symmetric, otherwise UINT4/UINT8: [K, N], or [N, K]
  Tensor scales;       // [blocks, N], or [N, blocks]
  Tensor zero_points;  // as codes and scales; undefined if symmetric
};
// DequantizeLinear of opset 21. by_rows: [N, K], blocks along the last axis.
StandardWeight standard_weight(const NBitsWeight& q, int64_t k, int64_t n, bool by_rows, const Scheme& s);

}  // namespace lathe
