// Where each node of the main graph stands in the outline: in a unit, in a layer, or in a cluster between
// them.
#pragma once
#include "passes/analysis/roles.h"

namespace lathe::outline {

struct Home {
  int32_t unit = -1, layer = -1;  // a unit's own layer is set too
  uint32_t cluster = ~0u;         // of nodes that no unit has and that hang together
};

struct Homes {
  std::vector<Home> of;  // by NodeId::v
};

// Nodes of no unit join the unit that alone reads them (shape arithmetic, moved and scaled operands), or
// alone makes what they read; what several units of one layer share stays in the layer. The rest is
// clustered.
Homes find_homes(const Model& m, const Roles& r, const std::vector<NodeId>& order);

}  // namespace lathe::outline
