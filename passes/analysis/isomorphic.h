// Are two parts of a graph the same but for names and the contents of weights? Boost's VF2, guided by
// Weisfeiler-Leman colors.
#pragma once
#include <cstdint>
#include <span>

#include "ir/core/model.h"

namespace lathe::roles {

// Of the subgraph that `nodes` (in execution order) span: ops, attributes, wiring by slots, and the shapes of
// weights. Does not depend on the order of nodes, on names, or on what is outside. Equal for isomorphic
// parts.
uint64_t structure_hash(const Model& m, std::span<const NodeId> nodes);

// Is there a one-to-one map that keeps ops, attributes (strings and graphs aside), wiring by slots and
// weight shapes? Operands from outside correspond to any operand from outside. Work is bounded: a search that
// takes more than kMostComparisons says no.
bool isomorphic(const Model& m, std::span<const NodeId> a, std::span<const NodeId> b);
inline constexpr uint64_t kMostComparisons = 4'000'000;

}  // namespace lathe::roles
