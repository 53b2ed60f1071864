// Rules and loops that com.microsoft ops share.
#pragma once
#include "ir/ops/infer_ctx.h"
#include "ir/ops/nn/attention_inputs.h"
#include "ir/ops/op_def.h"

namespace lathe {

inline constexpr const char* kMicrosoft = "com.microsoft";

inline void infer_like_first(InferCtx& c) {
  const Shape* s = c.shape(0);
  c.out(0, c.dtype(0), s != nullptr ? std::optional(*s) : std::nullopt);
}

}  // namespace lathe
