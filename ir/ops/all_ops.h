// The list of op families. A new family: its file, its line here and in all_ops.cpp.
#pragma once
#include "ir/ops/op_def.h"

namespace lathe {

void register_all_ops(OpRegistry& r);

// One a family file, named register_<file>; alphabetical.
void register_attention(OpRegistry& r);
void register_cast(OpRegistry& r);
void register_concat(OpRegistry& r);
void register_constant(OpRegistry& r);
void register_elementwise_binary(OpRegistry& r);
void register_elementwise_unary(OpRegistry& r);
void register_expand(OpRegistry& r);
void register_gather(OpRegistry& r);
void register_gemm(OpRegistry& r);
void register_if(OpRegistry& r);
void register_loop(OpRegistry& r);
void register_matmul(OpRegistry& r);
void register_pad(OpRegistry& r);
void register_reshape(OpRegistry& r);
void register_rotary_embedding(OpRegistry& r);
void register_scan(OpRegistry& r);
void register_scatter(OpRegistry& r);
void register_shape(OpRegistry& r);
void register_slice(OpRegistry& r);
void register_topk(OpRegistry& r);
void register_transpose(OpRegistry& r);
void register_where(OpRegistry& r);

}  // namespace lathe
