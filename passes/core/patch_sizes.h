// Smaller sizes to run a patch at. A rewrite of a [1, 1500, 384] activation says as much at [1, 41, 384],
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

// Large constant dims of the outside values, each with a smaller size to stand for it; equal dims stay equal.
// Empty where there are none or where a node could see the difference other than by failing: it reads
// integers that may count elements (the end of a Slice, say), or holds a subgraph or a function's body.
// `nodes`: both sides; `outside`: the values made up for the run.
std::vector<std::map<int64_t, int64_t>> smaller_sizes(const Model& m, const ShapeValues& values,
                                                      std::span<const NodeId> nodes,
                                                      std::span<const ValueId> outside);

// The targets of Reshapes among the nodes, with the smaller sizes in them.
std::unordered_map<ValueId, Datum> smaller_targets(const Model& m, std::span<const NodeId> nodes,
                                                   const std::map<int64_t, int64_t>& sizes);

}  // namespace lathe
