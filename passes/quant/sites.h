// Where a model multiplies by a constant matrix or looks rows up in a constant table, however that is
// spelled.
#pragma once
#include <string>
#include <vector>

#include "ir/core/model.h"

namespace lathe {

struct WeightSite {
  enum class Kind : uint8_t {
    product,  // MatMul, Gemm, FusedMatMul
    conv,     // Conv whose window is one element
    table,    // Gather along axis 0
  };
  Kind kind = Kind::product;
  NodeId node;
  ValueId input;     // activations; indices of a table
  ValueId stored;    // the constant that holds the weight
  TensorPtr weight;  // as a matrix: [K, N], or [N, K] when transposed; a table [rows, K]
  bool transposed = false;
  ValueId bias;               // a constant [N], or none
  std::vector<NodeId> taken;  // the node with its bias Add and its weight's Transpose
  ValueId result;
  std::string refusal;  // why its layout cannot be changed; empty if it can

  int64_t k() const { return weight->dims[transposed ? 1 : 0]; }
  // Of the input, its channels: what K counts. Negative: from the end.
  int64_t channel_axis() const { return kind == Kind::conv ? 1 : -1; }
  int64_t n() const { return weight->dims[transposed ? 0 : 1]; }
};

// In execution order, subgraphs too. A product by the exact transpose of a table (an untied twin, compared by
// content) names the table's tensor: `stored` and `weight` are the table's.
std::vector<WeightSite> find_weight_sites(const Model& m);

// Why a weight of so many elements stays: fewer than min-elements; "" if it has as many.
std::string too_small(int64_t elements, int64_t least);

}  // namespace lathe
