#include "ir/ops/all_ops.h"

namespace lathe {

void register_all_ops(OpRegistry& r) {
  register_activations(r);
  register_arg_reduce(r);
  register_attention(r);
  register_batch_norm(r);
  register_bitwise(r);
  register_cast(r);
  register_compare(r);
  register_concat(r);
  register_constant(r);
  register_conv(r);
  register_cumsum(r);
  register_elementwise_binary(r);
  register_elementwise_unary(r);
  register_expand(r);
  register_gather(r);
  register_gemm(r);
  register_layer_norm(r);
  register_matmul(r);
  register_object_detection(r);
  register_pool(r);
  register_reduce(r);
  register_reshape(r);
  register_rotary_embedding(r);
  register_scatter(r);
  register_shape(r);
  register_slice(r);
  register_softmax(r);
  register_topk(r);
  register_transpose(r);
  register_where(r);
}

}  // namespace lathe
