// A hash of everything that a pass can change: nodes, order, wiring, attributes, names of ports, initializers
// (by identity of their bytes: tensors are immutable). Equal models hash equal; the pass manager compares the
// hash before and after with what a pass says of itself. Inferred types and value names do not count.
#pragma once
#include <cstdint>

#include "ir/core/model.h"

namespace lathe {

uint64_t structural_hash(const Model& m);

}  // namespace lathe
