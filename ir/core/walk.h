// Walks over graphs and nodes. State the scope: a graph alone, a graph with what is nested in it, or the
// whole model (main, nested, functions). Iterative: a file's nesting depth costs heap, not stack.
#pragma once
#include <functional>
#include <vector>

#include "ir/core/model.h"

namespace lathe {

// g and every graph nested in it, outer before inner.
std::vector<GraphId> nested_graphs(const Model& m, GraphId g);
// Main with its nested graphs, then each function's.
std::vector<GraphId> all_graphs(const Model& m);
// Every node of all_graphs, in order. The body may erase the node it is given.
void for_each_node(const Model& m, const std::function<void(NodeId)>& body);
// Values used inside g (nested graphs too) but defined outside of it, in order of first use.
std::vector<ValueId> captures(const Model& m, GraphId g);
size_t node_count(const Model& m);  // in main, nested graphs and functions

}  // namespace lathe
