// What several fusions ask of their operands.
#pragma once
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>

#include "passes/core/context.h"
#include "passes/core/rule.h"

namespace lathe {

// Size of the last dim where it is a constant.
std::optional<int64_t> last_dim(const Type& t);
// Is `axes` (of a reduction over x) exactly the last axis?
bool is_last_axis(const Model& m, ValueId axes, ValueId x);
// A value of `size` elements that all lie on the last axis: shape [size], or a constant [1, ..., size].
bool is_last_axis_vector(const Model& m, ValueId v, int64_t size);
// The same as a value of shape [size]: itself, or a new constant.
ValueId as_vector(Builder& b, ValueId v);
// Has v one use, and is that not a graph output?
bool single_use(const Model& m, ValueId v);
// The node that defines v, if it is of this op; none otherwise.
NodeId defined_by(const Model& m, ValueId v, std::string_view type, std::string_view domain = "");
// "target standard has no com.microsoft::Gelu for float" unless there is a kernel.
Refusal needs_kernel(const Target& t, std::string_view domain, std::string_view type, DType dtype);
// "'x' is also used by 'y'", "... is also an output of the graph": why v cannot be swallowed by a fusion.
std::string other_use(const Model& m, ValueId v, const std::vector<NodeId>& inside);

// `nodes` and what only computes for them: users (Shape, arithmetic on it, ...) whose every result goes back
// in.
std::vector<NodeId> with_private_users(const Model& m, std::vector<NodeId> nodes);
// Offers every node of these standard ops, in main and nested graphs, until fuel is out.
void for_each_fusable(PassContext& c, std::initializer_list<std::string_view> types,
                      const std::function<void(NodeId)>& body, bool backwards = false);

}  // namespace lathe
