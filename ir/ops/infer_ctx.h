// What a type rule sees of its node: input types, constants, small integer contents as symbolic dims.
#pragma once
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "ir/core/model.h"

namespace lathe {

// Contents of integer scalars and 1-D tensors that take part in shape arithmetic, element by element. An
// element that is not known is an unknown Dim.
using ShapeValues = std::unordered_map<ValueId, Shape>;
inline constexpr size_t kMaxShapeValues = 1024;  // longer tensors are not followed

class InferCtx {
 public:
  // `attrs`: the node's attributes with references to a function's parameters resolved; default: its own.
  InferCtx(Model& m, NodeId id, ShapeValues& values, const Attrs* attrs = nullptr)
      : m_(m), id_(id), values_(values), attrs_(attrs) {}

  const Node& node() const { return m_[id_]; }
  const Attrs& attrs() const { return attrs_ != nullptr ? *attrs_ : m_[id_].attrs; }
  const Model& model() const { return m_; }

  size_t inputs() const { return node().in.size(); }
  size_t outputs() const { return node().out.size(); }
  bool has(size_t i) const { return static_cast<bool>(node().input(i)); }
  const Type& type(size_t i) const;  // Kind::None if missing or unknown
  DType dtype(size_t i) const { return type(i).dtype; }
  const Shape* shape(size_t i) const;                  // null if missing or of unknown rank
  int rank(size_t i) const { return type(i).rank(); }  // -1 unknown
  const Tensor* constant(size_t i) const { return m_.constant(node().input(i)); }
  // Contents of an integer scalar or 1-D input: from its constant or from propagation. nullopt if not known
  // at all.
  std::optional<Shape> value(size_t i) const;

  // Merges with what is known: a dim that the rule leaves unknown keeps its declared size.
  void out(size_t i, Type t);
  void out(size_t i, DType dtype, std::optional<Shape> shape = std::nullopt) {
    out(i, Type::tensor(dtype, std::move(shape)));
  }
  void out_value(size_t i, Shape contents);  // contents of an integer or bool output (scalar: one element)

  // Types of a subgraph's outputs when its inputs have these types (set on the body's own values too).
  std::vector<Type> body(GraphId g, std::span<const Type> inputs);

  // The model contradicts itself here: input error naming node, op and reason.
  [[noreturn]] void contradiction(const std::string& why) const;

  // Set by infer.cpp, which knows how to walk a body.
  std::function<std::vector<Type>(GraphId, std::span<const Type>)> run_body;

 private:
  Model& m_;
  NodeId id_;
  ShapeValues& values_;
  const Attrs* attrs_;
};

// What inference found, completed by what was declared: of each dim the one that tells more, the inferred one
// if both tell much.
Type merge_types(Type inferred, const Type& declared);

// Normalised axis (0 <= a < rank); out of range is a contradiction.
int64_t normalize_axis(const InferCtx& c, int64_t axis, int64_t rank);
// numpy broadcast of two shapes; provably incompatible dims are a contradiction.
Shape broadcast_shapes(const InferCtx& c, const Shape& a, const Shape& b);

}  // namespace lathe
