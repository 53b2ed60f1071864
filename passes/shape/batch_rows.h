// Does a model whose batch was freed compute for each sample what the model computed for it before? Shapes
// alone do not show it: what was reshaped at a batch of one may have taken the batch for another axis of size
// one.
#pragma once
#include <optional>
#include <string>

#include "ir/core/model.h"

namespace lathe {

// Runs `freed` (typed; inputs and outputs carry `batch`) on several times `old` seeded samples, and `before`
// on the same samples, `old` at a time. Returns what differs, or why nothing could be run; nullopt: all is
// equal up to rounding.
std::optional<std::string> batch_rows_differ(const Model& before, const Model& freed, Dim batch, int64_t old);

}  // namespace lathe
