// numpy.matmul on tensors, for the ops that are products with something around them.
#pragma once
#include "ir/ops/eval_ctx.h"

namespace lathe {

struct MatMulDims {
  std::vector<int64_t> out;  // shape of the product
  int64_t m = 1, n = 1, k = 1;
  std::vector<int64_t> a_batch,
      b_batch;  // offset of each product's operand, in matrices; one entry a product
};
// Shapes as numpy.matmul reads them (rank 1 is promoted); what does not fit is an input error.
MatMulDims matmul_dims(const std::vector<int64_t>& a, const std::vector<int64_t>& b);

// alpha * op(A) x op(B) of floats, doubles, halves (through float, rounded once) and 32- and 64-bit integers;
// operands may be misaligned. trans_*: the last two dims are swapped (rank 2 at least).
Tensor matmul(const Tensor& a, const Tensor& b, double alpha = 1, bool trans_a = false, bool trans_b = false);

}  // namespace lathe
