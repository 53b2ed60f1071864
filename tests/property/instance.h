// Random graphs that a pattern describes: every operand order, association, Mul or Div spelling is as good as
// another. A rule is data, so its tests come from the rule.
#pragma once
#include <cstdint>
#include <vector>

#include "ir/base/rng.h"
#include "ir/core/model.h"
#include "passes/core/pattern.h"

namespace lathe {

struct InstanceOptions {
  DType dtype = DType::F32;
  std::vector<int64_t> shape = {3, 5};
  int bend = -1;             // the number (in order of appearance) that is made 10 % larger; -1: none
  bool narrow_vars = false;  // every second variable has the last dim alone
};

struct Instance {
  Model model;
  std::vector<ValueId> inner;  // results of the nodes below the root
  int numbers = 0;             // scalars that the pattern fixes
};

Instance make_instance(const Pat& pattern, const InstanceOptions& options, Rng& rng);

}  // namespace lathe
