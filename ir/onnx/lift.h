// lift: old op spellings to the canonical form, that of the newest opset lathe knows (attribute axes become
// inputs, Softmax-12 is marked, Upsample becomes Resize, ...), so that rules, kernels and passes need no
// opset branches. lower: the reverse for a given opset. A node that no pass touched lowers to what it was,
// attribute by attribute.
#pragma once
#include "ir/core/model.h"

namespace lathe {

// Lifts main and subgraphs from m.info.opsets, and each function from its own imports.
void lift(Model& m);

// Lowers in place to m.info.opsets (functions: to theirs). A node with no spelling there is an input error
// that names it and the opset that it needs.
void lower(Model& m);

}  // namespace lathe
