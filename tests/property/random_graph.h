// Random models of shape-moving ops, for passes that are functions rather than rules.
#pragma once
#include "ir/base/rng.h"
#include "ir/core/model.h"

namespace lathe {

// About `nodes` nodes over one or two inputs of rank 1 to 4, some dims symbolic. Always valid.
Model random_graph(Rng& rng, int nodes);

}  // namespace lathe
