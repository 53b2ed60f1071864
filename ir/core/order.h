// Topological order and dominators (Boost.Graph) of one graph's nodes.
#pragma once
#include <unordered_map>
#include <vector>

#include "ir/core/model.h"

namespace lathe {

// Nodes of g, each after what it reads; an order that is valid already comes back as it is. A cycle is an
// input error that names a node on it.
std::vector<NodeId> topological_order(const Model& m, GraphId g);

// Puts g's node list into that order if it is not. True if it moved something.
bool restore_order(Model& m, GraphId g);

// Immediate dominators of data flow: every path from the graph's inputs to a node passes through its
// dominator. Nodes that no input reaches (constants' users) have none; the hidden params node stands for "the
// inputs themselves".
std::unordered_map<NodeId, NodeId> dominators(const Model& m, GraphId g);
// The same towards the outputs: every path from a node to the graph's outputs passes through its
// post-dominator; the hidden return node stands for the outputs themselves. Dead nodes have none.
std::unordered_map<NodeId, NodeId> post_dominators(const Model& m, GraphId g);

}  // namespace lathe
