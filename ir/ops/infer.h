// Type and symbolic shape inference over whole graphs and single nodes (the rules live with their ops).
#pragma once
#include "ir/ops/infer_ctx.h"

namespace lathe {

// Infers the types of n's outputs from its inputs' and stores them on the values. Ops without a rule leave
// their outputs as declared.
void infer_node(Model& m, NodeId n, ShapeValues& values);

// Every node of main (with nested graphs) in order; local functions through their calls. Returns the integer
// contents that were found. Declared intermediate types are kept where inference knows less.
ShapeValues infer_types(Model& m);

}  // namespace lathe
