// Which axes a reduction takes away, at inference and at run time.
#pragma once
#include <optional>

#include "ir/ops/eval_ctx.h"
#include "ir/ops/infer_ctx.h"

namespace lathe {

// By axis: reduced or kept. Axes come from input `slot` (absent or empty: all, or none with
// noop_with_empty_axes).
std::vector<bool> reduced_axes(const EvalCtx& c, size_t slot, int64_t rank);
// nullopt: not known.
std::optional<std::vector<bool>> reduced_axes(const InferCtx& c, size_t slot, int64_t rank);

// Shape without the reduced axes, or with ones there.
std::vector<int64_t> reduced_dims(const std::vector<int64_t>& dims, const std::vector<bool>& reduced,
                                  bool keep);

// A reduction's type rule: shape by axes and keepdims, element type as given.
void infer_reduction(InferCtx& c, size_t slot, DType dtype);

}  // namespace lathe
