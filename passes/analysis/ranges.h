// Ranges of values: interval analysis from the inputs on. Integer inputs take what their uses allow (an index
// stays inside its table, a mask is 0 or 1), activations what their functions can give. For inputs without
// NaN and infinities.
#pragma once
#include <limits>
#include <optional>
#include <unordered_map>
#include <vector>

#include "ir/core/model.h"
#include "ir/ops/infer_ctx.h"

namespace lathe {

struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  // Integers: no element exceeds this formula, and some input reaches it. It says more than `high` where
  // sizes are symbols.
  std::optional<Dim> top;

  bool known() const {
    return low > -std::numeric_limits<double>::infinity() || high < std::numeric_limits<double>::infinity();
  }
};

// size <= most, or some inputs make `node` (Gather, GatherND) read beyond its operand.
struct IndexLimit {
  Dim size;  // without a constant term
  Dim most;
  NodeId node;
};

struct Ranges {
  std::unordered_map<ValueId, Range> of;  // values that nothing is known of are left out
  std::vector<IndexLimit> limits;         // each size once, the strictest

  const Range* find(ValueId v) const {
    const auto it = of.find(v);
    return it == of.end() ? nullptr : &it->second;
  }
};

// Over the main graph; `values` as analyze_shapes found them. Values of nested graphs are not followed.
// weights: through products by constant weights too, which reads all of them once (product_ranges.h).
Ranges analyze_ranges(const Model& m, const ShapeValues& values, bool weights = false);

}  // namespace lathe
