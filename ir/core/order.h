// Topological order (Boost.Graph) of one graph's nodes.
#pragma once
#include <vector>

#include "ir/core/model.h"

namespace lathe {

// Nodes of g, each after what it reads; an order that is valid already comes back as it is. A cycle is an
// input error that names a node on it.
std::vector<NodeId> topological_order(const Model& m, GraphId g);

// Puts g's node list into that order if it is not. True if it moved something.
bool restore_order(Model& m, GraphId g);

}  // namespace lathe
