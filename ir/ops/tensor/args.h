// Small helpers that rules and kernels of tensor ops share: axes, integer arguments, sharing bytes.
#pragma once
#include <optional>
#include <span>
#include <vector>

#include "ir/ops/broadcast.h"
#include "ir/ops/eval_ctx.h"
#include "ir/ops/infer_ctx.h"

namespace lathe {

// Kernels: normalised, sorted, without repeats; an axis given twice is an input error.
std::vector<int64_t> axes_in(std::span<const int64_t> axes, int64_t rank);
// 0 <= i < size after counting a negative one from the back, or an input error.
inline int64_t checked_index(int64_t i, int64_t size) {
  if (i < -size || i >= size) fail("index {} is out of range for size {}", i, size);
  return i < 0 ? i + size : i;
}
// Elements of an integer tensor.
std::vector<int64_t> read_ints(const Tensor& t);
// Rules: the same as axes_in; a bad axis is a contradiction.
std::vector<int64_t> normalize_axes(const InferCtx& c, std::span<const int64_t> axes, int64_t rank);

// Rules: contents of integer input i if every element is a constant.
std::optional<std::vector<int64_t>> known_ints(const InferCtx& c, size_t i);
// Rules: length of the 1-D input i, if constant.
std::optional<int64_t> known_length(const InferCtx& c, size_t i);
Shape unknown_shape(int64_t rank);
Shape to_shape(std::span<const int64_t> dims);
// Rules: the contents of input i are those of output 0.
void pass_value(InferCtx& c, size_t i);

// The same bytes under other dims, without the name and the file spelling of the original.
Tensor share(const Tensor& t, std::vector<int64_t> dims);

}  // namespace lathe
