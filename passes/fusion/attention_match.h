// Scaled dot-product attention (Vaswani et al. 2017), found by its structure: softmax of a product of two
// values whose last axis was split into heads, times a third. Names, node order, where the scale sits, how
// the heads are split and how the mask is made do not matter.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "ir/core/model.h"
#include "passes/fusion/layout.h"

namespace lathe {

// Something added to the scores, or put in their place where a condition (does not) hold.
struct ScoreTerm {
  ValueId value;           // the summand, or the condition
  bool select = false;     // value is a condition
  bool when_true = false;  // select: the number replaces the score where the condition holds
  double number = 0;
};

struct AttentionCore {
  ValueId q, k, v;  // [batch, queries, heads * head], [batch, keys, ...], before heads are split
  ValueId out;      // [batch, queries, heads * value head]
  NodeId root;      // makes `out`
  int64_t heads = 0, head = 0, value_head = 0;
  Dim batch, queries, keys;
  double scale = 1;
  std::vector<ScoreTerm> terms;
  bool nan_guard = false;     // rows without any visible key give 0, not NaN
  std::vector<NodeId> nodes;  // all between q, k, v, the terms and out
};

// The attention that ends in the product of node n (MatMul, or the opset-23 Attention op). nullopt: it is
// none; `why` says what was in the way once a softmax was found.
std::optional<AttentionCore> match_attention(const Model& m, NodeId n, std::string* why);

}  // namespace lathe
