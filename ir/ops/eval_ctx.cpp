#include "ir/ops/eval_ctx.h"

namespace lathe {

const Tensor& EvalCtx::raw(size_t i) const {
  if (!has(i)) fail("input {} is missing", i);
  const Tensor* t = in_[i]->tensor();
  if (t == nullptr) fail("input {} is not a tensor", i);
  return *t;
}

const Tensor& EvalCtx::in(size_t i) const {
  const Tensor& t = raw(i);
  if (t.is_aligned()) return t;
  for (const auto& [slot, copy] : aligned_)
    if (slot == i) return *copy;
  return *aligned_.emplace_back(i, std::make_unique<Tensor>(t.aligned())).second;
}

const Tensor& EvalCtx::in(size_t i, DType dtype) const {
  const Tensor& t = in(i);
  if (t.dtype != dtype) fail("input {} has element type {}, not {}", i, onnx_name(t.dtype), onnx_name(dtype));
  return t;
}

const Datum& EvalCtx::datum(size_t i) const {
  static const Datum nothing;
  return i < in_.size() && in_[i] != nullptr ? *in_[i] : nothing;
}

const Sequence& EvalCtx::sequence(size_t i) const {
  const Sequence* s = datum(i).sequence();
  if (s == nullptr) fail("input {} is not a sequence", i);
  return *s;
}

Tensor& EvalCtx::out(size_t i, DType dtype, std::vector<int64_t> dims) {
  if (i >= out_.size()) out_.resize(i + 1);
  if (max_bytes > 0) {
    const int64_t bytes = byte_count(dtype, element_count(dims));
    if (bytes > max_bytes)
      fail("output {} of {} bytes is beyond the memory limit ({} bytes left)", i, bytes, max_bytes);
  }
  out_[i] = Datum(Tensor::uninitialized(dtype, std::move(dims)));
  return std::get<Tensor>(out_[i].value);
}

}  // namespace lathe
