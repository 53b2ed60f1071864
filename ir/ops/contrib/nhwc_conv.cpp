// NhwcConv (com.microsoft): Conv with channels last in the input and the result; the weight is laid out as
// Conv's.
#include "ir/ops/contrib/channels_last.h"
#include "ir/ops/contrib/shapes.h"
#include "ir/ops/nn/conv.h"
#include "ir/ops/nn/window.h"

namespace lathe {
namespace {

void infer_nhwc_conv(InferCtx& c) {
  const Shape *x = c.shape(0), *w = c.shape(1);
  if (x == nullptr || w == nullptr) return c.out(0, c.dtype(0));
  if (x->size() < 3 || w->size() != x->size())
    c.contradiction(fmt::format("x has rank {} and w rank {}", x->size(), w->size()));
  Shape out{(*x)[0], (*w)[0]};
  const Shape spatial =
      window_shape(c, Shape(w->begin() + 2, w->end()), Shape(x->begin() + 1, x->end() - 1), false);
  out.insert(out.end(), spatial.begin(), spatial.end());
  c.out(0, c.dtype(0), channels_last(std::move(out)));
}

void eval_nhwc_conv(EvalCtx& c) {
  c.set(0, channels_last(c, conv(channels_second(c, c.in(0)), c.in(1), c.maybe(2), c.attrs())));
}

}  // namespace

void register_contrib_nhwc_conv(OpRegistry& r) {
  r.add({kMicrosoft, "NhwcConv", infer_nhwc_conv, eval_nhwc_conv});
}

}  // namespace lathe
