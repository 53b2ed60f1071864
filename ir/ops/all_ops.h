// The list of op families. A new family: its file, its line here and in all_ops.cpp.
#pragma once
#include "ir/ops/op_def.h"

namespace lathe {

void register_all_ops(OpRegistry& r);

// One a family file, named register_<file>; alphabetical.
void register_activations(OpRegistry& r);
void register_arg_reduce(OpRegistry& r);
void register_attention(OpRegistry& r);
void register_batch_norm(OpRegistry& r);
void register_bitwise(OpRegistry& r);
void register_cast(OpRegistry& r);
void register_compare(OpRegistry& r);
void register_concat(OpRegistry& r);
void register_constant(OpRegistry& r);
void register_contrib_attention(OpRegistry& r);
void register_contrib_fused_matmul(OpRegistry& r);
void register_contrib_gather_block_quantized(OpRegistry& r);
void register_contrib_gelu(OpRegistry& r);
void register_contrib_group_query_attention(OpRegistry& r);
void register_contrib_matmul_nbits(OpRegistry& r);
void register_contrib_multi_head_attention(OpRegistry& r);
void register_contrib_rotary_embedding(OpRegistry& r);
void register_contrib_skip_norm(OpRegistry& r);
void register_conv(OpRegistry& r);
void register_conv_transpose(OpRegistry& r);
void register_cumsum(OpRegistry& r);
void register_dropout(OpRegistry& r);
void register_elementwise_binary(OpRegistry& r);
void register_elementwise_unary(OpRegistry& r);
void register_expand(OpRegistry& r);
void register_gather(OpRegistry& r);
void register_gemm(OpRegistry& r);
void register_gru(OpRegistry& r);
void register_if(OpRegistry& r);
void register_integer_matmul(OpRegistry& r);
void register_layer_norm(OpRegistry& r);
void register_loop(OpRegistry& r);
void register_lstm(OpRegistry& r);
void register_matmul(OpRegistry& r);
void register_object_detection(OpRegistry& r);
void register_one_hot(OpRegistry& r);
void register_pad(OpRegistry& r);
void register_pool(OpRegistry& r);
void register_quantize_linear(OpRegistry& r);
void register_reduce(OpRegistry& r);
void register_reshape(OpRegistry& r);
void register_resize(OpRegistry& r);
void register_rotary_embedding(OpRegistry& r);
void register_scan(OpRegistry& r);
void register_scatter(OpRegistry& r);
void register_sequence(OpRegistry& r);
void register_shape(OpRegistry& r);
void register_slice(OpRegistry& r);
void register_softmax(OpRegistry& r);
void register_topk(OpRegistry& r);
void register_transpose(OpRegistry& r);
void register_where(OpRegistry& r);

}  // namespace lathe
