// Rewrites that are functions of a node rather than patterns: a table by op type, applied over main and its
// nested graphs until none applies.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "passes/core/context.h"

namespace lathe {

struct NodeRewrite {
  std::string op;                                // type in the default domain; "*" is every node
  std::function<bool(PassContext&, NodeId)> at;  // true if it committed
};

enum class Direction : uint8_t {
  forwards,   // producers first: what one rewrite makes, the next one sees
  backwards,  // consumers first: what a rewrite leaves dead is gone before it is looked at
};

// Returns the number of commits.
uint64_t sweep(PassContext& ctx, std::span<const NodeRewrite> rewrites,
               Direction direction = Direction::forwards);

// One node becomes another value: the commit of every removal.
bool replace_node(PassContext& ctx, std::string rule, NodeId n, ValueId with, std::string what = {});
// One node (with what it reads) becomes what the builder made.
bool replace_node(PassContext& ctx, std::string rule, Builder& b, NodeId n, std::vector<NodeId> also_taken,
                  ValueId with, Exactness exactness = Exactness::bitwise);

}  // namespace lathe
