// Weight-only quantization of matrices and embedding tables: what quant2, quant4, quant8 and policies share.
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "passes/core/context.h"
#include "passes/core/pass.h"
#include "passes/quant/scheme.h"
#include "passes/quant/sites.h"

namespace lathe {

struct SiteChoice {
  std::optional<Scheme> scheme;  // none: stays as it is
  std::string why;               // what decided
};

struct WeightOnlyOptions {
  std::function<SiteChoice(const WeightSite&)> choose;
  std::string data;       // calibration (passes/quant/calibrate.h); empty: none unless a rounding needs it
  double damping = 0.01;  // GPTQ's
};

// Replaces products by constant matrices (a following constant bias goes along) with MatMulNBits, and Gathers
// from constant tables with GatherBlockQuantized, or both with DequantizeLinear. Weight by weight; one that
// is used several times is stored once, and only if every use can be quantized: a weight that also stayed in
// float would make the model larger.
void quantize_weights(PassContext& ctx, const WeightOnlyOptions& options);

// The option damping of a pass, checked: 0 or more.
double damping_option(const PassContext& ctx, const PassOptions& o);

// Takes apart fused nodes whose weights MatMulNBits and GatherBlockQuantized cannot reach: com.microsoft
// Attention becomes MatMul + Split + MultiHeadAttention, EmbedLayerNormalization becomes Gathers +
// SkipLayerNormalization; and what the target computes slower fused (slow_fusions.h), whose bias the product
// can take.
struct SplitOptions {
  int64_t min_elements = 4096;
  bool embeddings = true, attention = true;
  std::function<bool(NodeId)> which = {};  // of the attention nodes; empty: all
};
void split_fused_weights(PassContext& ctx, const SplitOptions& options);

// A MatMulNBits that only a Split reads, as one product for each part: on onnxruntime's CPU the copy costs
// more than the calls.
void split_packed_products(PassContext& ctx);

}  // namespace lathe
