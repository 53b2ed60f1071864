// QLinearAveragePool, QLinearGlobalAveragePool (com.microsoft).
#include "ir/ops/contrib/channels_last.h"
#include "ir/ops/contrib/shapes.h"
#include "ir/ops/nn/window.h"
#include "ir/ops/quant/qlinear.h"

namespace lathe {
namespace {

bool last(const Attrs& attrs) { return attrs.i("channels_last", 0) != 0; }

// The shape of x with channels second; null if it is not known.
std::optional<Shape> planes(InferCtx& c) {
  const Shape* x = c.shape(0);
  if (x == nullptr) return std::nullopt;
  if (x->size() < 3) c.contradiction(fmt::format("x has rank {}", x->size()));
  return last(c.attrs()) ? channels_second(*x) : *x;
}

void infer_with(InferCtx& c, const std::optional<Shape>& x, const Shape& spatial) {
  if (!x) return c.out(0, c.dtype(0));
  Shape out{(*x)[0], (*x)[1]};
  out.insert(out.end(), spatial.begin(), spatial.end());
  c.out(0, c.dtype(0), last(c.attrs()) ? channels_last(std::move(out)) : std::move(out));
}

void infer_average(InferCtx& c) {
  const auto x = planes(c);
  infer_with(
      c, x,
      x ? window_shape(c, {}, Shape(x->begin() + 2, x->end()), c.attrs().i("ceil_mode", 0) != 0) : Shape());
}

void infer_global(InferCtx& c) {
  const auto x = planes(c);
  infer_with(c, x, Shape(x ? x->size() - 2 : 0, Dim(1)));
}

void pool(EvalCtx& c, std::string_view op) {
  Tensor x = dequantized(c, 0);
  if (last(c.attrs())) x = channels_second(c, x);
  const auto y = call_op(c, "", op, c.attrs(), {x});
  const Tensor& t = *y.at(0).tensor();
  set_quantized(c, last(c.attrs()) ? channels_last(c, t) : t, 3, c.in(0).dtype);
}

}  // namespace

void register_qlinear_pool(OpRegistry& r) {
  r.add({kMicrosoft, "QLinearAveragePool", infer_average, [](EvalCtx& c) { pool(c, "AveragePool"); }});
  r.add({kMicrosoft, "QLinearGlobalAveragePool", infer_global,
         [](EvalCtx& c) { pool(c, "GlobalAveragePool"); }});
}

}  // namespace lathe
