// Batches as tokenizers make them.
#pragma once
#include <vector>

#include "ir/core/model.h"
#include "ir/ops/datum.h"

namespace lathe {

// The input that hides padding, by position: the one of integers or bools over [batch, length] that nothing
// looks up. -1: none, or more than one.
int mask_input(const Model& m);

// The first samples of each run as one batch, padded at the end with zeros to the longest: as tokenizers
// batch them. A tensor's range then spans them all. `mask`: the input that hides padding, by position;
// negative: none. Empty where the inputs are no sequences that a mask hides, or have one length only.
std::vector<Datum> padded_together(const Model& m, const std::vector<std::vector<Datum>>& runs, int mask);

}  // namespace lathe
