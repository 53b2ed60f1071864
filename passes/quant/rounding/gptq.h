// GPTQ (Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers",
// ICLR 2023): the rows of K are rounded one after the other, and what rounding one does to the product is
// taken back by the rows that are still free, as far as the inputs' second moments say it can be.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "passes/quant/rounding/tile.h"

namespace lathe {

struct GptqFactor {
  std::vector<int64_t> order;  // rows by falling second moment (act-order)
  std::vector<float> upper;    // [k, k], in that order: U with U^T U = (H + damping)^-1
};

// Damping as asked, or, for 0, what suits the data ("" or "seeded": inputs made up, which tell less).
double gptq_damping(double asked, const std::string& data);

// gram: [k, k], x^T x of the inputs (any positive factor). Damping is a fraction of its mean diagonal; it
// grows until the factor exists.
GptqFactor gptq_factor(std::span<const float> gram, int64_t k, double damping = 0.01);

// values: [k][64], taken as they are given and used up; scale and zero: one Lane a block. Writes codes
// [k][64].
void gptq_round(const GptqFactor& f, const Scheme& s, std::span<float> values, std::span<const Lane> scale,
                std::span<const Lane> zero, std::span<uint8_t> codes);

}  // namespace lathe
