#include "ir/ops/elementwise.h"

namespace lathe {

void infer_unary_with(InferCtx& c, DType dtype, UnaryDim f) {
  if (dtype == DType::Undefined) dtype = c.dtype(0);
  const Shape* shape = c.shape(0);
  c.out(0, dtype, shape ? std::optional(*shape) : std::nullopt);
  if (f == nullptr) return;
  if (auto v = c.value(0)) {
    for (Dim& d : *v) d = f(d).value_or(Dim::unknown());
    c.out_value(0, std::move(*v));
  }
}

void infer_broadcast_with(InferCtx& c, DType dtype, BinaryDim f) {
  if (dtype == DType::Undefined) dtype = c.dtype(0);
  std::optional<Shape> shape;
  for (size_t i = 0; i < c.inputs(); ++i) {
    const Shape* s = c.shape(i);
    if (s == nullptr) {
      shape.reset();
      break;
    }
    shape = shape ? broadcast_shapes(c, *shape, *s) : *s;
  }
  c.out(0, dtype, shape);
  if (f == nullptr || !shape || shape->size() > 1) return;
  auto acc = c.value(0);
  for (size_t i = 1; acc && i < c.inputs(); ++i) {
    const auto v = c.value(i);
    if (!v || (v->size() != acc->size() && v->size() != 1 && acc->size() != 1)) return;
    if (acc->size() == 1) acc->resize(v->size(), (*acc)[0]);
    for (size_t k = 0; k < acc->size(); ++k)
      (*acc)[k] = f((*acc)[k], (*v)[v->size() == 1 ? 0 : k]).value_or(Dim::unknown());
  }
  if (acc) c.out_value(0, std::move(*acc));
}

}  // namespace lathe
