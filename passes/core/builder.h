// Builds the new side of a rewrite: floating nodes with inferred types, constants, and stable readable names
// taken from the place they replace.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "ir/core/model.h"
#include "ir/ops/infer_ctx.h"

namespace lathe {

class Builder {
 public:
  // near: the node whose scope and name the new nodes take ("/layer.0/mlp/Mul_1" makes "/layer.0/mlp/Gelu").
  Builder(Model& m, ShapeValues& values, NodeId near);

  // One output; inputs may be none (omitted). Returns its value.
  ValueId op(std::string_view type, std::vector<ValueId> inputs, Attrs attrs = {},
             std::string_view domain = "");
  // Several outputs.
  std::vector<ValueId> ops(std::string_view type, std::vector<ValueId> inputs, Attrs attrs, size_t outputs,
                           std::string_view domain = "");
  // An initializer of the graph of `near`; `name` is made unique. The same tensor bytes may be shared.
  ValueId constant(Tensor t, std::string_view name = "const");
  ValueId scalar(DType dtype, double value, std::string_view name = "const");
  ValueId ints(std::vector<int64_t> values, std::string_view name = "axes");

  // The rewrite needs at least this opset: raised when it commits.
  void require_opset(std::string_view domain, int64_t version) {
    opsets_.push_back({std::string(domain), version});
  }

  Model& model() { return m_; }
  const std::vector<NodeId>& made() const { return made_; }
  const std::vector<ValueId>& constants() const { return constants_; }
  const std::vector<OpsetImport>& opsets() const { return opsets_; }

  // Forgets everything that was built (a refused rewrite): erases the nodes and constants.
  void discard();

 private:
  Model& m_;
  ShapeValues& values_;
  GraphId graph_;
  std::string scope_;
  std::vector<NodeId> made_;
  std::vector<ValueId> constants_;
  std::vector<OpsetImport> opsets_;
};

// Attributes as a literal: attrs({{"axis", int64_t{-1}}, {"epsilon", 1e-5f}}).
Attrs attrs(std::vector<std::pair<std::string, AttrValue>> items);

}  // namespace lathe
