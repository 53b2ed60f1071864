// Carries a plan out: node by node, each checked as a patch within the half type's rounding.
#pragma once
#include <string>
#include <vector>

#include "passes/quant/half/half_values.h"
#include "passes/quant/half/plan.h"

namespace lathe {

struct HalfResult {
  uint64_t nodes = 0;
  std::vector<HalfConstant> constants;
};

// A node reads the half values of its operands (a Cast where there is none yet) and its results are cast back
// for those who read float; the Casts that nobody reads go. Constants are cast last, one at a time.
HalfResult convert_halves(PassContext& ctx, const HalfOptions& options, const HalfPlan& plan);

}  // namespace lathe
