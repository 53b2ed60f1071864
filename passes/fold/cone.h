// The constant part of a graph: nodes whose operands are constants or other such nodes. Their values are
// computed on demand, nothing is edited.
#pragma once
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "ir/exec/executor.h"
#include "passes/core/context.h"

namespace lathe {

struct FoldLimits {
  int64_t value_bytes = int64_t{64} << 20;  // of any one value on the way
  int64_t memory = int64_t{1} << 30;        // of values held at one time
  int64_t work = int64_t{8} << 30;          // of everything that is computed
  int64_t iterations = 1'000;               // of one Loop
  bool quantize = false;                    // also fold QuantizeLinear and DequantizeLinear
};

class ConstantCone {
 public:
  // Looks at the nodes of g alone.
  ConstantCone(const Model& m, GraphId g, const FoldLimits& limits);

  // In execution order. Sizes that inference knows are within the limits; others are checked as they run.
  const std::vector<NodeId>& nodes() const { return order_; }
  bool contains(NodeId n) const { return n && member_.contains(n); }
  // The value of a member's output; nullopt where it cannot be computed within the limits, or is no tensor.
  std::optional<Tensor> compute(ValueId v);

 private:
  bool foldable(NodeId n) const;
  bool run(NodeId n);

  const Model& m_;
  FoldLimits limits_;
  Executor executor_;
  std::vector<NodeId> order_;
  std::unordered_set<NodeId> member_, failed_;
  std::unordered_map<ValueId, Datum> known_;
  int64_t held_ = 0, work_ = 0;
};

// Bytes of the elements; of strings, their characters and lengths.
int64_t stored_bytes(const Tensor& t);

// Everything that a node reads, captures of its subgraphs too, each once a use.
std::vector<ValueId> reads(const Model& m, NodeId n);

}  // namespace lathe
