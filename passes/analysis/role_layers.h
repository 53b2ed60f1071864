// Layers: runs of units that repeat with the same structure.
#pragma once
#include "passes/analysis/roles.h"

namespace lathe::roles {

// Sets layer of nodes and units, and r.blocks. Two units are of one structure when their subgraphs have the
// same Weisfeiler-Leman hash over ops, wiring and weight shapes.
void number_layers(const Model& m, Roles& r);

}  // namespace lathe::roles
