// How large and how small the values of a model get, as the executor sees them.
#pragma once
#include <limits>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "passes/core/context.h"
#include "passes/quant/half/kind.h"

namespace lathe {

struct Magnitude {
  double largest = 0;                                         // |x|, finite elements
  double smallest = std::numeric_limits<double>::infinity();  // |x| above zero
  double square = 0;                                          // sum of x^2
  int64_t count = 0;
};

// A constant that only stands for an infinity, and what it was before it was clamped.
struct ClampedMask {
  ValueId value;
  double largest = 0;
  TensorPtr before;
};

struct Observed {
  std::unordered_map<ValueId, Magnitude> of;  // float32 values that some run made
  std::string why_not;                        // not empty: the model could not be run
  std::vector<ClampedMask> masks;
};

// Runs the model on `data` (passes/quant/calibrate.h). Before that, constants of the model that only stand
// for an infinity (zeros and -3.4e38, say, in an attention mask) are brought into the type's range, to half
// of the largest number so that sums of two stay finite. The model's outputs on the data must stay what they
// were; where it cannot be run, only numbers beyond 1e30 are taken for infinities. data=none: nothing is run.
Observed observe_magnitudes(PassContext& ctx, const HalfKind& kind, const std::string& data);

// Records the clamped constants as rewrites. Those that fuel does not reach become what they were; so do all
// of them where `only_for` is given and none of its nodes meets them, as they are or after elementwise ops.
void settle_masks(PassContext& ctx, const HalfKind& kind, const Observed& observed,
                  const std::unordered_set<NodeId>* only_for = nullptr);

}  // namespace lathe
