// Smaller sizes to run a patch at. A rewrite of a [1, 1500, 384] activation says as much at [1, 41, 43],
// where it costs a fraction, as long as nothing in the patch knows of the 1500.
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <unordered_map>
#include <vector>

#include "ir/ops/datum.h"
#include "ir/ops/infer_ctx.h"

namespace lathe {

// A patch as it is run.
struct PatchSides {
  std::span<const NodeId> before, after;  // nodes
  std::span<const ValueId> outside;       // the values made up for the run
  std::span<const ValueId> results;       // of the new side: constants among them
};

// Large constant dims of the outside values and of the constants that both sides read, each with a smaller
// size to stand for it; equal dims stay equal. To be tried in this order. Empty where there are none or where
// a node could see the difference other than by failing: it reads integers that may count elements (the end
// of a Slice, say), or holds a subgraph or a function's body. The dims of a constant that one side alone
// reads stay, as the rewrite may rest on each of its elements; so do those of integers, and sizes that an
// attribute names (groups).
std::vector<std::map<int64_t, int64_t>> smaller_sizes(const Model& m, const ShapeValues& values,
                                                      const PatchSides& patch);

// Constants as they are at these sizes: targets of Reshapes with the smaller sizes in them; of what both
// sides read, rows, columns, ... at even distances, the first and the last among them.
std::unordered_map<ValueId, Datum> smaller_constants(const Model& m, const PatchSides& patch,
                                                     const std::map<int64_t, int64_t>& sizes);

}  // namespace lathe
