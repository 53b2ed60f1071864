// What became of each weight, for --explain and reports.
#pragma once
#include <vector>

#include "passes/analysis/roles.h"
#include "passes/core/findings.h"
#include "passes/core/remark.h"
#include "passes/quant/sites.h"

namespace lathe {

// A site's record as it stands before anything is done: scheme "float", nothing saved.
WeightRecord record_of(const Model& m, const Roles& roles, const WeightSite& s);

// The floating constants of the main graph that no site reads: norms, biases, what else stays.
std::vector<WeightRecord> records_of_rest(const Model& m, const Roles& roles,
                                          const std::vector<WeightSite>& sites);

}  // namespace lathe
