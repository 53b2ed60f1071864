// Names as a file needs them: unique in scope, public ones where the ports say.
#pragma once
#include "ir/core/model.h"

namespace lathe {

// - The value behind a graph output takes the port's name; where it cannot (it is an input, an initializer,
// captured,
//   or behind another port already) an Identity node is added.
// - A value without a name, or whose name is taken in its scope, gets one made from its node's op:
// "gelu_out",
//   "gelu_out_1", ...
// - A Constant node whose tensor was replaced gets it as its attribute.
// A model as loaded is left as it is.
void settle_names(Model& m);

}  // namespace lathe
