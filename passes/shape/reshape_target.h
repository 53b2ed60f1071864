// Shapes as constants for Reshape and Expand.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "ir/core/dim.h"
#include "passes/core/context.h"

namespace lathe {

// The second operand of Reshape (allowzero = 0) that takes shape `from` to shape `to` for every binding of
// the symbols: numbers, 0 where a dim stays in its place, at most one -1. nullopt if there is none.
std::optional<std::vector<int64_t>> reshape_target(const Shape& from, const Shape& to);

// The second operand of Expand: numbers, 1 where the operand has that dim already.
std::optional<std::vector<int64_t>> expand_target(const Shape& from, const Shape& to);

// The nodes of integer arithmetic that make v, down to Shape, Size and constants: run with a patch so that
// the real sizes, not what analysis says of them, are compared. Bounded.
std::vector<NodeId> shape_chain(const PassContext& ctx, ValueId v);

}  // namespace lathe
