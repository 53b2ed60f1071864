// What one element of a value is, at symbolic indices: walks index arithmetic (Range, Unsqueeze, Gather by
// computed positions, Expand, ...) and element-wise logic back to the one mask it all depends on. Exporters
// write "attention_mask broadcast over heads and queries" in fifteen nodes; here it is one element of it.
#pragma once
#include <map>
#include <optional>
#include <vector>

#include "ir/core/model.h"
#include "ir/ops/infer_ctx.h"

namespace lathe {

// constant + sum of coefficient * variable; variables count from 0.
struct Affine {
  Dim constant;
  std::map<int, Dim> terms;
  bool operator==(const Affine&) const = default;
};
Affine variable(int id);

// A number that depends on one integer or bool element at most, which is 0 or 1: what a mask holds.
struct Element {
  ValueId mask;             // none: if0 == if1, a constant
  std::vector<Affine> at;   // which element of it
  double if0 = 0, if1 = 0;  // the number for mask 0 and mask 1
};

class ElementFormulas {
 public:
  // extents: of the variables. Each runs from 0 to its extent - 1.
  ElementFormulas(const Model& m, const ShapeValues& values, std::vector<Dim> extents)
      : m_(m), values_(values), extents_(std::move(extents)) {}

  // Contents of an integer value there, if they are affine in the variables.
  std::optional<Affine> integer(ValueId v, const std::vector<Affine>& at);
  std::optional<Element> element(ValueId v, const std::vector<Affine>& at);
  // Nodes that were looked through.
  const std::vector<NodeId>& nodes() const { return nodes_; }

 private:
  struct Source {
    ValueId value;
    std::vector<Affine> at;
  };
  const Shape* shape(ValueId v) const;
  NodeId def(ValueId v) const;
  void visit(NodeId n);
  // The element of an operand that an op which only moves elements passes on.
  std::optional<Source> moved(NodeId n, const std::vector<Affine>& at);
  std::optional<std::vector<Affine>> broadcast(ValueId operand, const std::vector<Affine>& at) const;
  std::optional<std::vector<Affine>> reshaped(const Shape& from, const Shape& to,
                                              const std::vector<Affine>& at) const;
  std::optional<Dim> upper_bound(const Affine& a) const;  // largest value, for coefficients known to be >= 0
  std::optional<Affine> table(const Tensor& t, const std::vector<Affine>& at) const;
  std::optional<Element> compare(NodeId n, const std::vector<Affine>& at);
  std::optional<Element> pointwise(NodeId n, const std::vector<Affine>& at);

  static constexpr int kMaxDepth = 64, kMaxSteps = 4096;
  const Model& m_;
  const ShapeValues& values_;
  std::vector<Dim> extents_;
  std::vector<NodeId> nodes_;
  int depth_ = 0, steps_ = 0;
};

}  // namespace lathe
