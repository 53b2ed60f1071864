// Where static quantization puts its codes: the nodes that run on them, and the values that are held by them,
// so that onnxruntime finds a kernel on codes for each.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "passes/core/context.h"

namespace lathe {

struct CodedNode {
  enum class Kind : uint8_t {
    weighted,  // Conv, MatMul, Gemm, Attention by a constant: the weight is held by codes too
    plain,  // ops with kernels on codes (Add, pools, Concat, ...), where something they read is codes anyway
    moved,  // the same elements elsewhere, or some of them: codes stay as they are (MaxPool, Reshape, ...)
  };
  NodeId node;
  Kind kind = Kind::weighted;
  std::vector<size_t> inputs;  // slots of activations that are read as codes
  NodeId clamp;         // a Relu or Clip right behind that cutting off at the range makes needless; or none
  ValueId result;       // what the node, or its clamp, makes
  bool output = false;  // the result is held by codes
};

struct Placement {
  std::vector<CodedNode> nodes;        // in execution order
  std::vector<ValueId> values;         // whose ranges are wanted, in order
  std::map<ValueId, ValueId> same_as;  // a moved result -> the value whose scale it shares
};

struct PlacementOptions {
  std::function<std::string(NodeId)> keep;  // empty, or why the node stays in float
  bool clamps = false;                      // codes are unsigned, so a Relu can become the lower end
  bool attention = false;                   // com.microsoft Attention, as far as QAttention can stand for it
};
Placement place_codes(PassContext& ctx, const PlacementOptions& options);

// The Add of a constant vector, an element a channel, that alone reads the MatMul n; none if there is none.
NodeId bias_behind(const Model& m, NodeId n, int64_t channels);

}  // namespace lathe
