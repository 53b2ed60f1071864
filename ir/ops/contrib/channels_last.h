// Ops that keep channels last (N, spatial dims, C), through those that keep them second.
#pragma once
#include <algorithm>

#include "ir/ops/call_op.h"
#include "ir/ops/infer_ctx.h"

namespace lathe {

inline Tensor channels_second(const EvalCtx& c, const Tensor& x) {
  const auto rank = static_cast<size_t>(x.rank());
  if (rank < 3) fail("x has rank {}, at least 3 is needed", rank);
  std::vector<int64_t> perm{0, static_cast<int64_t>(rank) - 1};
  for (size_t i = 1; i + 1 < rank; ++i) perm.push_back(static_cast<int64_t>(i));
  return call_op(c, "Transpose", {{"perm", perm}}, {x});
}

inline Tensor channels_last(const EvalCtx& c, const Tensor& x) {
  std::vector<int64_t> perm{0};
  for (int i = 2; i < x.rank(); ++i) perm.push_back(i);
  perm.push_back(1);
  return call_op(c, "Transpose", {{"perm", perm}}, {x});
}

// A shape with channels last as the one with channels second, and back.
inline Shape channels_second(Shape s) {
  std::rotate(s.begin() + 1, s.end() - 1, s.end());
  return s;
}
inline Shape channels_last(Shape s) {
  std::rotate(s.begin() + 1, s.begin() + 2, s.end());
  return s;
}

}  // namespace lathe
