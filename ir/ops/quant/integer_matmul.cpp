// MatMulInteger, QLinearMatMul; DynamicQuantizeMatMul and MatMulIntegerToFloat (com.microsoft). Products of
// integers are taken in double, where they are exact, and wrapped to 32 bits.
#include "ir/ops/convert.h"
#include "ir/ops/math/matmul.h"
#include "ir/ops/op_def.h"
#include "ir/ops/quant/affine.h"
#include "ir/ops/tensor/args.h"

namespace lathe {
namespace {

std::optional<Shape> product_shape(const InferCtx& c, size_t a, size_t b) {
  const Shape *x = c.shape(a), *y = c.shape(b);
  if (x == nullptr || y == nullptr || x->empty() || y->empty()) return std::nullopt;
  const auto batch = [](const Shape& s) { return s.size() > 2 ? Shape(s.begin(), s.end() - 2) : Shape(); };
  Shape out = broadcast_shapes(c, batch(*x), batch(*y));
  if (x->size() > 1) out.push_back((*x)[x->size() - 2]);
  if (y->size() > 1) out.push_back(y->back());
  return out;
}

// a: rows may have zero points of their own; b: columns may.
Tensor integer_product(const Tensor& a, const Tensor* a_zero, const Tensor& b, const Tensor* b_zero) {
  return matmul(centered(a, a_zero, a.rank() > 1 ? -2 : -1), centered(b, b_zero, -1));
}

// value[..., n] * scales (one, or n) + bias[n].
Tensor scaled(const Tensor& product, const std::vector<double>& scales, const Tensor* bias, DType dtype) {
  const int64_t width = product.dims.empty() ? 1 : product.dims.back();
  if (scales.size() != 1 && static_cast<int64_t>(scales.size()) != width)
    fail("{} scales for {} columns", scales.size(), width);
  if (bias != nullptr && bias->count() != width) fail("a bias of {} for {} columns", bias->count(), width);
  Tensor y = Tensor::uninitialized(DType::F64, product.dims);
  const auto to = y.mutable_data<double>();
  const auto add = bias != nullptr ? bias->to_doubles() : std::vector<double>();
  for (size_t i = 0; i < to.size(); ++i) {
    const size_t j = i % static_cast<size_t>(width);
    to[i] = product.data<double>()[i] * scales[scales.size() == 1 ? 0 : j] + (add.empty() ? 0 : add[j]);
  }
  return convert(y, dtype);
}

// value[..., m, :] * scales (one, or m, or one for each row of the batch), as floats.
Tensor scaled_rows(const Tensor& value, const Tensor& scale) {
  const auto scales = scale.to_doubles();
  const int64_t width = value.dims.empty() ? 1 : value.dims.back(),
                rows = width == 0 ? 0 : value.count() / width, n = scale.count();
  const int64_t matrix = value.rank() > 1 ? value.dims[value.dims.size() - 2] : 1;
  if (n != 1 && n != matrix && n != rows) fail("{} scales for {} rows", n, matrix);
  Tensor y = Tensor::uninitialized(DType::F32, value.dims);
  for (int64_t i = 0; i < rows * width; ++i)
    y.mutable_data<float>()[static_cast<size_t>(i)] = static_cast<float>(
        value.data<double>()[static_cast<size_t>(i)] * scales[static_cast<size_t>(i / width % n)]);
  return y;
}

double lone(const Tensor& t, const char* name) {
  if (t.count() != 1) fail("{} has {} elements, not 1", name, t.count());
  return t.as_double(0);
}

void infer_matmul_integer(InferCtx& c) { c.out(0, DType::I32, product_shape(c, 0, 1)); }

void eval_matmul_integer(EvalCtx& c) {
  const Tensor wide = convert(integer_product(c.in(0), c.maybe(2), c.in(1), c.maybe(3)), DType::I64);
  c.set(0, convert(wide, DType::I32));
}

void infer_qlinear_matmul(InferCtx& c) { c.out(0, c.dtype(7), product_shape(c, 0, 3)); }

void eval_qlinear_matmul(EvalCtx& c) {
  const Tensor &a = c.in(0), &b = c.in(3), &a_scale = c.in(1), &b_scale = c.in(4), &y_scale = c.in(6),
               &y_zero = c.in(7);
  const Tensor product = integer_product(a, &c.in(2), b, &c.in(5));
  const Tensor real = scaled_rows(scaled(product, b_scale.to_doubles(), nullptr, DType::F64), a_scale);
  if (y_scale.count() != 1 || y_zero.count() != 1) fail("the result has {} scales, not 1", y_scale.count());
  c.set(0, quantize(real, y_scale, &y_zero, y_zero.dtype, {}));
}

void infer_to_float(InferCtx& c, size_t scale) { c.out(0, c.dtype(scale), product_shape(c, 0, 1)); }

void eval_to_float(EvalCtx& c) {
  const Tensor product = integer_product(c.in(0), c.maybe(4), c.in(1), c.maybe(5));
  std::vector<double> scales = c.in(3).to_doubles();
  for (double& s : scales) s *= lone(c.in(2), "a_scale");
  c.set(0, scaled(product, scales, c.maybe(6), c.in(3).dtype));
}

// A is quantized as DynamicQuantizeLinear would.
void eval_dynamic_matmul(EvalCtx& c) {
  const Tensor x = convert(c.in(0), DType::F32);
  const DynamicScale d = dynamic_scale(x);
  const Tensor a = quantize(x, d.scale, &d.zero, DType::U8, {});
  std::vector<double> scales = c.in(2).to_doubles();
  for (double& s : scales) s *= d.scale.as_double(0);
  c.set(0, scaled(integer_product(a, &d.zero, c.in(1), c.maybe(3)), scales, c.maybe(4), c.in(0).dtype));
}

}  // namespace

void register_integer_matmul(OpRegistry& r) {
  r.add({"", "MatMulInteger", infer_matmul_integer, eval_matmul_integer, Exactness::bitwise});
  r.add({"", "QLinearMatMul", infer_qlinear_matmul, eval_qlinear_matmul});
  r.add({"com.microsoft", "DynamicQuantizeMatMul", [](InferCtx& c) { infer_to_float(c, 0); },
         eval_dynamic_matmul});
  r.add({"com.microsoft", "MatMulIntegerToFloat", [](InferCtx& c) { infer_to_float(c, 3); }, eval_to_float});
}

}  // namespace lathe
