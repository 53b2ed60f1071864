// The choice of a search as a policy that people can read: by role, part and layers where that says it.
#pragma once
#include <vector>

#include "passes/quant/policy.h"
#include "passes/quant/search/layers.h"

namespace lathe {

// Gives every layer the option picked for it, when read back too.
Policy written_policy(const Model& m, const std::vector<WeightSite>& sites, const Roles& roles,
                      const std::vector<Layer>& layers, const std::vector<int>& picks);

}  // namespace lathe
