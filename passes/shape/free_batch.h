// The repairs of make-dynamic: constants that hold the batch's old size, replaced by what follows the batch.
#pragma once
#include "passes/core/context.h"

namespace lathe {

// A copy of the model whose inputs of rank 2 and more with `old` rows have the symbol on axis 0; what the
// file says of outputs is dropped.
Model with_batch_symbol(const Model& m, Dim batch, int64_t old);

// Repairs nodes of the main graph until no more can be:
//   sizes (of Reshape, Expand) that begin with the old batch;
//   constants joined to (Concat), or combined with (elementwise ops), what has the batch, and states that a
//   recurrent op starts from, where all their rows are equal.
// Each repair is checked at the old size. They do not show that the batch is free: analyze_axes does.
void free_batch(PassContext& ctx, Dim batch, int64_t old);

}  // namespace lathe
