// Where the elements of a value went through reshapes and transposes: each axis as a list of pieces of the
// axes that it started from. "Split the last axis into heads and put them first" reads the same however many
// Reshape, Transpose, Squeeze or Unsqueeze nodes spell it.
#pragma once
#include <optional>
#include <vector>

#include "ir/core/model.h"

namespace lathe {

// `size` consecutive steps of `inner` elements along an original axis.
struct Piece {
  int axis = 0;
  Dim size, inner = 1;
  bool operator==(const Piece&) const = default;
};
using Layout = std::vector<std::vector<Piece>>;  // by axis; an axis of size 1 has no piece

Layout initial_layout(const Shape& shape);
// The layout after a node of one of those ops; nullopt if it is another op or its sizes do not divide.
std::optional<Layout> apply_layout(const Model& m, NodeId n, const Layout& in);
bool is_layout_op(const Node& n);

// A value followed back through layout ops, scalings by a constant and casts.
struct Origin {
  std::vector<ValueId> values;  // from v back to where it starts
  std::vector<NodeId> nodes;    // nodes[i] made values[i] of values[i + 1]
  std::vector<double> scales;   // factor between values[i] and values[i + 1]
};
Origin origin(const Model& m, ValueId v);
// Factor and layout between values[i] of an origin and its front.
double scale_from(const Origin& o, size_t i);
std::optional<Layout> layout_from(const Model& m, const Origin& o, size_t i);

// x in Mul (x, c), Mul (c, x) or Div (x, c) with one constant number c.
struct Scaled {
  ValueId x;
  double factor = 1;
};
std::optional<Scaled> scaling(const Model& m, NodeId n);

}  // namespace lathe
