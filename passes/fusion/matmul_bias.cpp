// A matrix product and its bias.
//   y = Add (MatMul (x, W), b)  =>  y = Gemm (x, W, b)      x and W of rank 2
// Higher ranks stay: Gemm would need two Reshapes, and onnxruntime's MatMul followed by a fused Add is as
// fast.
#include "passes/all_passes.h"
#include "passes/fusion/common.h"

namespace lathe {
namespace {

Rule matmul_bias_rule() {
  const Var x, w, b;
  const Pat product = op("MatMul", {x, w});
  return {.name = "matmul-bias",
          .why = "Gemm is the product plus a summand",
          .pattern = one_of({op("Add", {product, b}), op("Add", {b, product})}),
          .guard = [=](const Match& m, const Target&) -> Refusal {
            const Model& model = *m.model;
            if (m.type(x).rank() != 2 || m.type(w).rank() != 2) return "Gemm multiplies matrices of rank 2";
            if (!is_floating(m.type(x).dtype)) return "not floating point";
            const auto width = last_dim(model[m.root].type);
            if (!width || !is_last_axis_vector(model, m[b], *width) || m.type(b).rank() > 2)
              return "the summand is not one value for each column";
            return std::nullopt;
          },
          .emit = [=](Builder& builder, const Match& m) { return builder.op("Gemm", {m[x], m[w], m[b]}); }};
}

}  // namespace

PassDef fuse_matmul_bias() {
  return {.name = "fuse-matmul-bias",
          .group = "fusion",
          .summary = "Fuse MatMul and Add on matrices of rank 2 into Gemm",
          .rules = {matmul_bias_rule()}};
}

}  // namespace lathe
