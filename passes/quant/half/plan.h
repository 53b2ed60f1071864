// Which nodes of a float32 model become half precision: what must stay is found first, then a minimum cut
// makes regions with as few Casts at their borders as can be.
#pragma once
#include <functional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "passes/core/context.h"
#include "passes/quant/half/keep.h"
#include "passes/quant/half/kind.h"
#include "passes/quant/half/observed.h"

namespace lathe {

// What a policy says of a node.
enum class HalfWish : uint8_t {
  wanted,
  follow,  // either, whatever takes fewer Casts
  never,
};

struct HalfOptions {
  HalfKind kind;
  KeepList keep;
  bool convert_io = false;
  double headroom = 2;                        // how many times what calibration saw a value may become
  std::function<HalfWish(NodeId)> wish = {};  // empty: all are wanted
  bool measure = false;                       // HalfConstant::error
};

struct HalfPlan {
  // Over main and its nested graphs. A control node here changes the types at its border; what is inside is
  // planned by itself.
  std::unordered_set<NodeId> half;
  size_t kept = 0;                              // nodes on floats that stay
  std::unordered_map<NodeId, std::string> why;  // those that were wanted, and why they stay
};

// Tells what stays, and why, in missed remarks. With wishes, a weight that some of its readers need in float
// stays whole: it would be stored twice.
HalfPlan plan_halves(PassContext& ctx, const HalfOptions& options, const Observed& observed);

// --- parts of it
bool is_control(const Node& node);  // If, Loop, Scan: its border is planned as one node

struct HalfLabel {
  enum class Kind : uint8_t { stays, goes, free } kind = Kind::free;
  int gain = 0;               // free: what half precision of it is worth, against kCastCost
  bool exact = false;         // may only go where its operands are halves already
  std::vector<bool> in, out;  // slots that would change
};
inline constexpr int kCastCost = 4;

// Completes the labels: the free nodes that should go. `keep_ports`: inputs and outputs of main stay float.
std::unordered_set<NodeId> cut_regions(const Model& m, const std::unordered_map<NodeId, HalfLabel>& labels,
                                       DType half, bool keep_ports);

}  // namespace lathe
