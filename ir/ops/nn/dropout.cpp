// Dropout: passes its input on, except in training mode, where elements are zeroed at random and the rest
// scaled.
#include "ir/base/rng.h"
#include "ir/ops/elementwise.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

void eval_dropout(EvalCtx& c) {
  const Tensor& x = c.in(0);
  const Tensor *ratio_in = c.maybe(1), *training_in = c.maybe(2);
  if (ratio_in != nullptr && ratio_in->count() != 1) fail("the ratio must be one number");
  if (training_in != nullptr && training_in->count() != 1) fail("training_mode must be one bool");
  const double ratio = ratio_in != nullptr ? ratio_in->as_double(0) : 0.5;
  const bool training = training_in != nullptr && training_in->as_i64(0) != 0;
  if (!(ratio >= 0 && ratio < 1)) fail("ratio {} is outside of [0, 1)", ratio);
  if (!training || ratio == 0) {
    c.set(0, x);
    if (c.wants(1)) c.set(1, Tensor::full(DType::Bool, x.dims, 1));
    return;
  }
  Tensor mask = Tensor::uninitialized(DType::Bool, x.dims);
  Rng rng(c.attrs().has("seed") ? static_cast<uint64_t>(c.attrs().i("seed", 0)) : c.seed);
  const auto kept = mask.mutable_data<uint8_t>();
  for (uint8_t& k : kept) k = rng.uniform() >= ratio;
  Tensor& y = c.out(0, x.dtype, x.dims);
  if (is_floating(x.dtype) && bit_width(x.dtype) == 8) {
    for (size_t i = 0; i < kept.size(); ++i)
      store_double(x.dtype, y.mutable_bytes().data(), static_cast<int64_t>(i),
                   kept[i] != 0 ? x.as_double(static_cast<int64_t>(i)) / (1 - ratio) : 0);
    if (c.wants(1)) c.set(1, std::move(mask));
    return;
  }
  dispatch<Floats>(x.dtype, [&]<class T>() {
    using C = Compute<T>;
    const C scale = static_cast<C>(1 / (1 - ratio));
    const auto in = x.data<T>();
    const auto out = y.mutable_data<T>();
    for (size_t i = 0; i < kept.size(); ++i)
      out[i] = kept[i] != 0 ? static_cast<T>(load_element(in[i]) * scale) : T(0);
  });
  if (c.wants(1)) c.set(1, std::move(mask));
}

void infer_dropout(InferCtx& c) {
  const Shape* x = c.shape(0);
  c.out(0, c.dtype(0), x != nullptr ? std::optional(*x) : std::nullopt);
  c.out(1, DType::Bool, x != nullptr ? std::optional(*x) : std::nullopt);
}

}  // namespace

void register_dropout(OpRegistry& r) {
  r.add({.domain = "",
         .type = "Dropout",
         .infer = infer_dropout,
         .eval = eval_dropout,
         .exactness = Exactness::random});
}

}  // namespace lathe
