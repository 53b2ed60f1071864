// What the parts of a network are for: attention, feed-forward, embedding, norm, pooling, head, convolution.
// Found from structure alone (ops, operands, shapes); names are never looked at. Fused and unfused spellings
// give the same answer.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ir/core/model.h"

namespace lathe {

enum class Role : uint8_t { other, embedding, attention, feed_forward, norm, pooling, head, convolution };
inline constexpr size_t kRoleCount = 8;
std::string_view role_name(Role r);  // "attention", "feed-forward", ...

// What a node with a weight does inside its unit.
enum class Part : uint8_t {
  none,
  query,  // attention: projections of the operands; qkv where one product makes several of them
  key,
  value,
  qkv,
  output,  // attention: back to the model's width
  gate,    // gated feed-forward: the operand that goes through the activation
  up,
  down,
};
std::string_view part_name(Part p);  // "query", ..., "" for none

struct NodeRole {
  Role role = Role::other;
  Part part = Part::none;
  int32_t layer = -1;  // index of the repeated block, from 0 in execution order; -1 outside of blocks
  int32_t unit = -1;   // index into Roles::units
};

// One attention, one feed-forward, one norm, ...: the nodes that make it up.
struct Unit {
  Role role = Role::other;
  int32_t layer = -1;
  std::vector<NodeId> nodes;  // in execution order
  bool fused = false;         // the exporter or a pass made it one op
  // attention; 0 where not known
  int64_t heads = 0, kv_heads = 0, head_size = 0;
  bool rotary = false, relative_bias = false, causal = false, cross = false;
  // feed-forward
  bool gated = false;
  std::string activation;  // op type, or "Silu", "Gelu" for what is spelled out

  bool grouped() const { return kv_heads > 0 && heads > kv_heads; }
};

// `count` consecutive layers of the same structure: same ops, same weight shapes.
struct RepeatedBlock {
  int32_t first_layer = 0, count = 0;
  size_t nodes = 0;         // of one layer
  std::vector<Role> units;  // of one layer, in order
};

struct Roles {
  std::vector<NodeRole> nodes;  // by NodeId::v; nodes made later have Role::other
  std::vector<Unit> units;      // in execution order
  std::vector<RepeatedBlock> blocks;
  int32_t layers = 0;

  const NodeRole& operator[](NodeId n) const {
    static const NodeRole none;
    return n && n.v < nodes.size() ? nodes[n.v] : none;
  }
};

// Over the main graph of a model whose types are inferred (infer_types, analyze_shapes or run_pipeline did
// so).
Roles analyze_roles(const Model& m);

}  // namespace lathe
