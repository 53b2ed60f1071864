// What a check of one node needs of a large weight: some of its columns.
#pragma once
#include <unordered_map>

#include "ir/core/model.h"
#include "ir/ops/datum.h"

namespace lathe {

// For PatchTestOptions::given: a part of the node's large constant, and of what goes with it, that makes the
// same part of its result. Empty where the weight is small, or no part of it stands for the whole.
std::unordered_map<ValueId, Datum> weight_sample(const Model& m, NodeId n);

}  // namespace lathe
