// Copies nodes from one graph to another place: function bodies into their calls, loop bodies into
// iterations.
#pragma once
#include <string>
#include <unordered_map>
#include <vector>

#include "ir/core/model.h"

namespace lathe {

struct CloneOptions {
  GraphId into;
  NodeId before;       // the copies are placed in front of it
  std::string prefix;  // of names; made unique
  // Attributes of the enclosing function's call (with its defaults); null outside of functions.
  const Attrs* bound = nullptr;
};

// Copies every node of `from`, nested graphs too; initializers of `from` become initializers of `into` that
// share their bytes. `map` holds what the graph inputs stand for, and receives the copy of each value.
// Returns what the graph's outputs stand for. Nesting costs heap, not stack.
std::vector<ValueId> clone_graph(Model& m, GraphId from, const CloneOptions& options,
                                 std::unordered_map<ValueId, ValueId>& map);

}  // namespace lathe
