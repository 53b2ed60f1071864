// How much memory folding and checking may take for values: a base that a hostile file cannot exceed, and
// more where a model's own constants are large.
#pragma once
#include <cstdint>
#include <span>

#include "ir/core/model.h"

namespace lathe {

inline constexpr int64_t kScratchBase = int64_t{80} << 20;

int64_t scratch_bytes(const Model& m);                                 // for work on the whole model
int64_t scratch_bytes(const Model& m, std::span<const NodeId> nodes);  // for a run of these nodes

}  // namespace lathe
