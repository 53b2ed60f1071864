// Layers: runs of units that repeat with the same structure.
#pragma once
#include "passes/analysis/roles.h"

namespace lathe::roles {

// Sets layer of nodes and units, and r.blocks. Layers of one block are isomorphic (isomorphic.h), unit by
// unit and as wholes.
void number_layers(const Model& m, Roles& r);

}  // namespace lathe::roles
