// Weight-only quantization of matrices and embedding tables: what quant4, quant8 and policies share.
#pragma once
#include "passes/core/context.h"
#include "passes/quant/nbits.h"

namespace lathe {

struct WeightOnlyOptions {
  NBitsScheme scheme;
  bool embeddings = true;       // tables of Gather too, as GatherBlockQuantized
  int64_t min_elements = 4096;  // smaller weights stay
  int64_t accuracy_level = 0;   // MatMulNBits attribute; 0 leaves it out
};

// Replaces MatMul, Gemm and FusedMatMul by constant matrices with MatMulNBits (a following constant bias goes
// along), and Gathers from constant tables with GatherBlockQuantized. Weight by weight: one float copy at
// most is in memory.
void quantize_weights(PassContext& ctx, const WeightOnlyOptions& options);

// Takes apart fused nodes whose weights MatMulNBits and GatherBlockQuantized cannot reach: com.microsoft
// Attention becomes MatMul + Split + MultiHeadAttention, EmbedLayerNormalization becomes Gathers +
// SkipLayerNormalization.
void split_fused_weights(PassContext& ctx, const WeightOnlyOptions& options);

}  // namespace lathe
