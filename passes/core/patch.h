// One rewrite before it is committed: the nodes it takes, the floating nodes it made, and which values stand
// for which. Both sides are closed subgraphs over the same outside values, so they can be run and compared on
// their own.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "ir/core/model.h"
#include "ir/ops/op_def.h"

namespace lathe {

struct Patch {
  std::string rule;
  NodeId root;                     // where the new nodes are placed and whose names they take
  std::vector<NodeId> taken = {};  // old side, any order
  // Run with the old side although they stay: what gives its operands their meaning (a chain of shape
  // arithmetic).
  std::vector<NodeId> context = {};
  std::vector<NodeId> made = {};  // new side, floating, in execution order
  std::vector<std::pair<ValueId, ValueId>> replace =
      {};  // old value -> new value (made, outside, or a new constant)
  // Every replacement is known to be defined before the root: node order needs no check.
  bool in_order = false;
  Exactness exactness = Exactness::rounding;
  double tolerance = 0;   // of the comparison, relative to the largest magnitude; 0 = by element type
  std::string what = {};  // for the remark: what became of it
};

}  // namespace lathe
