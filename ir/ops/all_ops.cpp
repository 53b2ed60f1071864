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
  register_contrib_attention(r);
  register_contrib_fused_matmul(r);
  register_contrib_gather_block_quantized(r);
  register_contrib_gelu(r);
  register_contrib_group_query_attention(r);
  register_contrib_matmul_nbits(r);
  register_contrib_multi_head_attention(r);
  register_contrib_rotary_embedding(r);
  register_contrib_skip_norm(r);
  register_conv(r);
  register_conv_transpose(r);
  register_cumsum(r);
  register_dropout(r);
  register_elementwise_binary(r);
  register_elementwise_unary(r);
  register_expand(r);
  register_gather(r);
  register_gemm(r);
  register_gru(r);
  register_if(r);
  register_integer_matmul(r);
  register_layer_norm(r);
  register_loop(r);
  register_lstm(r);
  register_matmul(r);
  register_object_detection(r);
  register_one_hot(r);
  register_pad(r);
  register_pool(r);
  register_quantize_linear(r);
  register_reduce(r);
  register_reshape(r);
  register_resize(r);
  register_rotary_embedding(r);
  register_scan(r);
  register_scatter(r);
  register_sequence(r);
  register_shape(r);
  register_slice(r);
  register_softmax(r);
  register_topk(r);
  register_transpose(r);
  register_where(r);
}

}  // namespace lathe
