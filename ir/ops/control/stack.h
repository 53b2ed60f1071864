// What Loop and Scan share: the outputs that grow by one element an iteration.
#pragma once
#include <vector>

#include "ir/ops/eval_ctx.h"

namespace lathe {

// Bytes that the elements of all stacks of a node may hold: they outlive the iteration that made and counted
// them.
class Held {
 public:
  explicit Held(const EvalCtx& c) : most_(c.max_bytes) {}
  void add(const Tensor& t);

 private:
  int64_t most_, bytes_ = 0;
};

class Stack {
 public:
  // axis counts in the stacked result; reversed: later elements come first.
  explicit Stack(int64_t axis = 0, bool reversed = false) : axis_(axis), reversed_(reversed) {}

  void push(const Datum& d, Held& held);  // a tensor of the same type and shape as the others
  // Sets output i. `element` tells type and shape where nothing was pushed.
  void finish(EvalCtx& c, size_t i, const Type& element) const { c.set(i, joined(element, 0)); }
  // The stack filled up with zeros (empty strings) to `least` elements.
  Tensor joined(const Type& element, int64_t least) const;

 private:
  int64_t axis_;
  bool reversed_;
  std::vector<Tensor> items_;
};

// One bool or integer element.
bool truth(const Datum& d);

}  // namespace lathe
