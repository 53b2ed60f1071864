// Bodies for nodes whose old meaning no single canonical op has.
#pragma once
#include <optional>

#include "ir/core/model.h"

namespace lathe {

// Lifts a body and what is nested in it from these imports.
void lift_graphs(Model& m, GraphId body, const std::vector<OpsetImport>& imports);

// Lifts one marked node now that its types are known; whether it is canonical afterwards.
bool lift_marked_node(Model& m, NodeId n);

// A graph that does what the marked node n does, of canonical ops: one input for each of n's, as many
// outputs. nullopt where lathe has none (Scan-8, whose kernel knows it; training forms of
// BatchNormalization).
std::optional<GraphId> marked_body(Model& m, NodeId n);

}  // namespace lathe
