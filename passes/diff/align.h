// Which node of one model is which of another, whatever their names and order. Evidence, strongest first:
// equal structure both from the inputs and from the outputs, equal structure from one side, names whose
// surroundings agree, equal surroundings, then neighbours of what is aligned, best first. A name alone is
// never enough while structure speaks against it: exporters number their nodes.
#pragma once
#include <utility>
#include <vector>

#include "ir/core/model.h"

namespace lathe::diff {

struct Alignment {
  // By id: the partner in the other model, or none. Values: ports, outputs of aligned nodes; not constants.
  std::vector<NodeId> a_to_b, b_to_a;
  std::vector<ValueId> value_a_to_b, value_b_to_a;
  std::vector<std::pair<GraphId, GraphId>> graphs;  // main first, outer before inner, then functions
  std::vector<std::pair<size_t, size_t>> functions;
  // Positions of main's inputs and outputs that belong together.
  std::vector<std::pair<size_t, size_t>> inputs, outputs;

  size_t aligned = 0;  // nodes
};

Alignment align(const Model& a, const Model& b);

}  // namespace lathe::diff
