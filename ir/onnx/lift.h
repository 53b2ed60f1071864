// lift: old op spellings to the canonical form, that of the newest opset lathe knows (attribute axes become
// inputs, Upsample becomes Resize, ...), so that rules, kernels and passes need no opset branches.
// lower: the reverse for a given opset. A node that no pass touched lowers to what it was, attribute by
// attribute.
//
// What has no canonical equal stays as it is and is marked: the internal attribute `$since` holds the version
// of the op whose meaning it has (Softmax before 13 that flattens, Add before 7 that broadcasts along an
// axis, ...). Kernels, type rules and rewrites written for the canonical form do not hold for such a node;
// expand_function (schema.h) gives a body of canonical ops for it. Attributes that begin with '$' are never
// saved.
#pragma once
#include "ir/core/model.h"

namespace lathe {

inline bool is_canonical(const Node& n) { return n.canonical(); }

// Lifts main and subgraphs from m.info.opsets, and each function from its own imports.
void lift(Model& m);

// Lifts marked nodes whose types are known by now (Clip-6 needs its element type, Softmax-11 its rank). Call
// it after type inference. Returns how many.
size_t lift_marked(Model& m);

// Lowers in place to m.info.opsets (functions: to theirs). A node with no spelling there is an input error
// that names it and the opset that it needs.
void lower(Model& m);

}  // namespace lathe
