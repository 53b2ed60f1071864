// What passes ask of nodes and values before they rewrite.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "passes/core/context.h"

namespace lathe {

// Is the result a function of the operands alone (no random numbers, no unknown custom op), in subgraphs
// too?
bool is_pure(const Model& m, NodeId n);

// Bytes of a value of this type; nullopt where the type or a dim is not known or the size overflows.
std::optional<int64_t> static_bytes(const Type& t);

// Integer contents known by analysis or from a constant, element by element (scalar: one). Long constants
// are not looked at.
std::optional<Shape> contents(const PassContext& ctx, ValueId v);
// The same where every element is a number.
std::optional<std::vector<int64_t>> const_ints(const PassContext& ctx, ValueId v);

// Shape of a value if its rank is known.
const Shape* shape_of(const Model& m, ValueId v);
// Both ranks known and every dim provably equal.
bool same_shape(const Model& m, ValueId a, ValueId b);
// Every element of the constant is this number.
bool is_constant_number(const Model& m, ValueId v, double number);

// The node that makes v if it is of that type in the default domain, in canonical form; none otherwise.
NodeId producer(const Model& m, ValueId v, std::string_view type);
// v has one use, and that is an ordinary operand (not a graph output).
bool used_once(const Model& m, ValueId v);

// Axis attribute or element brought to 0 <= a < rank; nullopt if it is out of range.
std::optional<int64_t> axis_of(int64_t axis, int64_t rank);

}  // namespace lathe
