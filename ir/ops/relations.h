// Relations between sizes that a model needs to run, noted by type rules for analyses that ask. A rule states
// them whether or not anybody listens.
#pragma once
#include <vector>

#include "ir/ops/infer_ctx.h"

namespace lathe {

// Two sizes that a node can only run with if they are equal (or_one: or if one of them is 1).
struct DimRelation {
  Dim a, b;
  NodeId node;
  bool or_one = false;
};

// While one is alive, the relations of all inference on this thread go to it (the innermost one).
class RelationLog {
 public:
  RelationLog();
  ~RelationLog();
  RelationLog(const RelationLog&) = delete;
  RelationLog& operator=(const RelationLog&) = delete;
  std::vector<DimRelation> found;

 private:
  RelationLog* outer_;
};

// The rule's node runs only if a == b.
void must_equal(const InferCtx& c, Dim a, Dim b, bool or_one = false);

}  // namespace lathe
