// A model of its own made from some nodes: what they read from outside becomes its inputs.
#pragma once
#include <span>

#include "ir/core/model.h"

namespace lathe {

// `nodes` in any order (floating ones too); `outputs` become the graph outputs. Constants are kept as
// initializers, types as known. Nodes with subgraphs keep them.
Model extract(const Model& m, std::span<const NodeId> nodes, std::span<const ValueId> outputs);

}  // namespace lathe
