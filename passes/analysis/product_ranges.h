// Intervals of products and normalizations with constant weights: each result is bounded by the sum of its
// weights' magnitudes times the operand's range. One pass over the weights; pages of a mapped file are let
// go.
#pragma once
#include <optional>
#include <utility>

#include "ir/core/model.h"

namespace lathe {

struct Interval {
  double low = 0, high = 0;
};

// MatMul, Gemm, Conv, LayerNormalization, RMSNormalization of a value within x (the operand that is not
// constant) by constants. Room for what summing in float rounds off is included. nullopt: none of these, its
// weights are not constant numbers, or the result may overflow.
std::optional<Interval> product_range(const Model& m, NodeId n, Interval x);

}  // namespace lathe
