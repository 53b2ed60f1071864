// What a model costs: parameters, multiply-accumulates, operations, bytes moved, peak memory of activations.
// All are polynomials in the model's symbolic sizes; a binding turns them into numbers.
//
// Conventions: one MAC is one multiplication and one addition (2 FLOPs). FLOPs of everything else: one per
// result element of an element-wise op, one per element that a reduction reads, 5 per element of a softmax, 7
// per element of a layer norm. Bytes moved: every operand is read once and every result written once, weights
// included. Ops that only rename dims (Reshape, ...) move nothing.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ir/core/model.h"
#include "passes/analysis/roles.h"

namespace lathe {

struct Cost {
  Dim macs, flops;         // flops contains 2 * macs
  Dim read, written;       // bytes of activations
  int64_t parameters = 0;  // elements of constants, each counted once, at its first reader
  int64_t weight_bytes = 0;
  Cost& operator+=(const Cost& o);
};

struct NodeCost {
  NodeId node;
  Cost cost;
  bool known = true;  // false: a shape that it depends on is not known, the cost is a lower bound
};

// Bytes of activations alive while a node runs: its operands, its results, and what later nodes still read.
// Values that share memory (Reshape of a value) count once; graph inputs count, weights do not.
struct LiveStep {
  NodeId node;
  Dim bytes;
};

struct ModelCost {
  std::vector<NodeCost> nodes;  // main and nested graphs, in order; a body's nodes once an iteration
  Cost total;
  std::vector<LiveStep> live;                                      // main graph, in order
  std::map<std::string, int64_t> bytes_by_type, elements_by_type;  // of the weights
  size_t unknown_nodes = 0;
};

// For a model whose shapes were analyzed.
ModelCost analyze_cost(const Model& m);

// Sizes for symbols. nullopt where d contains another name, or on overflow.
using Sizes = std::map<std::string, int64_t>;
std::optional<int64_t> at(Dim d, const Sizes& sizes);
// The step with most live bytes under these sizes, over the steps that have a value there.
std::optional<size_t> peak(const ModelCost& c, const Sizes& sizes);

}  // namespace lathe
