// Embedding tables by so many bits: what passes on activations do with the weights that nothing is multiplied
// by.
#pragma once
#include <string>
#include <vector>

#include "passes/core/context.h"
#include "passes/quant/scheme.h"

namespace lathe {

inline const std::vector<std::string> kTableBits = {"rows", "8", "4", "true", "false"};

// bits: of kTableBits; rows and true: 8 bits with a scale a row, in GatherBlockQuantized, or behind
// DequantizeLinear where `rows_form` or the target wants that. keep: as kept_by().
void quantize_tables(PassContext& ctx, const std::string& bits, Form rows_form, int64_t least,
                     const std::string& keep);

}  // namespace lathe
