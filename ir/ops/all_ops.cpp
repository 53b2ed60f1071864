#include "ir/ops/all_ops.h"

namespace lathe {

void register_all_ops(OpRegistry& r) {
  register_attention(r);
  register_cast(r);
  register_concat(r);
  register_constant(r);
  register_elementwise_binary(r);
  register_elementwise_unary(r);
  register_expand(r);
  register_gather(r);
  register_gemm(r);
  register_if(r);
  register_loop(r);
  register_matmul(r);
  register_pad(r);
  register_reshape(r);
  register_rotary_embedding(r);
  register_scan(r);
  register_scatter(r);
  register_shape(r);
  register_slice(r);
  register_topk(r);
  register_transpose(r);
  register_where(r);
}

}  // namespace lathe
