// Walks that roles.cpp is made of: which ops only move or scale data, which products have weights.
#pragma once
#include <functional>
#include <span>
#include <vector>

#include "ir/core/model.h"

namespace lathe::roles {

// Operand `slot` of n carries data (not shapes, indices, axes, scales of quantization, or a weight).
bool is_data(const Model& m, const Node& n, size_t slot);
// A constant, or one that only was transposed, cast, dequantized or reshaped.
bool is_weight(const Model& m, ValueId v);
// A product of data with a weight of its own (MatMul, Gemm, MatMulNBits, MatMulInteger, ...).
bool is_projection(const Model& m, NodeId n);
// A matrix product of two computed operands.
bool is_data_product(const Model& m, NodeId n);
// Moves, repeats, converts: the numbers stay what they are.
bool is_layout(const Node& n);
// Element by element with the same result wherever the element stands; bias, scale and mask included.
bool is_pointwise(const Node& n);
// Columns of a projection's result; 0 where not known.
int64_t projection_width(const Model& m, NodeId n);

// Nodes that v is computed from by ops that `through` lets pass, over data operands; `stop` nodes are
// included and not walked past. In order of the walk; at most `limit`.
struct Cone {
  std::vector<NodeId> inner, stops;
  bool whole = true;  // the limit was not hit
};
Cone cone(const Model& m, ValueId v, const std::function<bool(NodeId)>& through,
          const std::function<bool(NodeId)>& stop, size_t limit = 96);

}  // namespace lathe::roles
