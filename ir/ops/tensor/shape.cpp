// Shape, Size.
#include <algorithm>

#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"

namespace lathe {
namespace {

// Shape's start and end clamp instead of failing.
std::pair<int64_t, int64_t> clamped_range(const Attrs& attrs, int64_t rank) {
  const auto clamp = [&](int64_t a) { return std::clamp<int64_t>(a < 0 ? a + rank : a, 0, rank); };
  const int64_t start = clamp(attrs.i("start", 0));
  return {start, std::max(start, clamp(attrs.i("end", rank)))};
}

void infer_shape(InferCtx& c) {
  const Shape* s = c.shape(0);
  if (s == nullptr) return c.out(0, DType::I64, unknown_shape(1));
  const auto [start, end] = clamped_range(c.attrs(), static_cast<int64_t>(s->size()));
  c.out_value(0, Shape(s->begin() + start, s->begin() + end));
  c.out(0, DType::I64, Shape{end - start});
}

void eval_shape(EvalCtx& c) {
  const auto& dims = c.raw(0).dims;
  const auto [start, end] = clamped_range(c.attrs(), static_cast<int64_t>(dims.size()));
  c.set(0, Tensor::of_i64(std::vector(dims.begin() + start, dims.begin() + end)));
}

void infer_size(InferCtx& c) {
  if (const Shape* s = c.shape(0)) c.out_value(0, {product(*s)});
  c.out(0, DType::I64, Shape{});
}

void eval_size(EvalCtx& c) { c.set(0, Tensor::scalar_i64(c.raw(0).count())); }

}  // namespace

void register_shape(OpRegistry& r) {
  r.add({"", "Shape", infer_shape, eval_shape, Exactness::bitwise});
  r.add({"", "Size", infer_size, eval_size, Exactness::bitwise});
}

}  // namespace lathe
