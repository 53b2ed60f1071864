// QLinearAdd, QLinearMul, QLinearLeakyRelu, QLinearSigmoid, QLinearSoftmax, QLinearConcat, QLinearReduceMean,
// QLinearWhere (com.microsoft): the op on dequantized operands, quantized again.
#include "ir/ops/quant/qlinear.h"

#include "ir/ops/call_op.h"
#include "ir/ops/contrib/shapes.h"
#include "ir/ops/quant/affine.h"
#include "ir/ops/tensor/args.h"

namespace lathe {
namespace {

bool is_byte(DType t) { return t == DType::U8 || t == DType::I8; }

void check_lone(const Tensor& scale, const Tensor* zero) {
  if (scale.count() != 1 || (zero != nullptr && zero->count() != 1))
    fail("{} scales and {} zero points, not one of each", scale.count(),
         zero != nullptr ? zero->count() : int64_t{1});
}

// ---------------------------------------------------------------- element by element

void infer_binary_bytes(InferCtx& c) {
  const Shape *a = c.shape(0), *b = c.shape(3);
  c.out(0, c.dtype(0),
        a != nullptr && b != nullptr ? std::optional(broadcast_shapes(c, *a, *b)) : std::nullopt);
}

template <const char* Op>
void eval_binary_bytes(EvalCtx& c) {
  set_quantized(c, call_op(c, Op, {}, {dequantized(c, 0), dequantized(c, 3)}), 6, c.in(0).dtype);
}
constexpr char kAdd[] = "Add", kMul[] = "Mul";

void eval_leaky_relu(EvalCtx& c) {
  const float alpha = c.attrs().f("alpha", 0.01f);
  set_quantized(c, call_op(c, "LeakyRelu", {{"alpha", alpha}}, {dequantized(c, 0)}), 3, c.in(0).dtype);
}

void eval_sigmoid(EvalCtx& c) {
  set_quantized(c, call_op(c, "Sigmoid", {}, {dequantized(c, 0)}), 3, c.in(0).dtype);
}

// ---------------------------------------------------------------- QLinearSoftmax

void eval_softmax(EvalCtx& c) {
  Tensor x = dequantized(c, 0);
  const std::vector<int64_t> dims = x.dims;
  int64_t axis = normalize_axis(c.attrs().i("axis", -1), x.rank());
  if (c.attrs().i("opset", 0) < 13) {  // Softmax before 13 flattens to a matrix
    const auto at = static_cast<size_t>(axis);
    x = x.reshaped({span_count(dims, 0, at), span_count(dims, at, dims.size())});
    axis = 1;
  }
  set_quantized(c, call_op(c, "Softmax", {{"axis", axis}}, {x}).reshaped(dims), 3, c.in(0).dtype);
}

// ---------------------------------------------------------------- QLinearConcat

// Y_scale, Y_zero_point, then (tensor, scale, zero point) of each operand.
void infer_concat(InferCtx& c) {
  std::optional<Shape> out;
  for (size_t i = 2; i + 2 < c.inputs(); i += 3) {
    const Shape* s = c.shape(i);
    if (s == nullptr) return c.out(0, c.dtype(1));
    if (!out) {
      out = *s;
      continue;
    }
    if (s->size() != out->size()) c.contradiction("ranks differ");
    const auto a =
        static_cast<size_t>(normalize_axis(c, c.attrs().i("axis", 0), static_cast<int64_t>(s->size())));
    (*out)[a] = (*out)[a] + (*s)[a];
  }
  c.out(0, c.dtype(1), std::move(out));
}

void eval_concat(EvalCtx& c) {
  if (c.inputs() < 5 || (c.inputs() - 2) % 3 != 0) fail("{} inputs", c.inputs());
  std::vector<Datum> parts;
  for (size_t i = 2; i < c.inputs(); i += 3) parts.emplace_back(dequantized(c, i));
  set_quantized(c, call_op(c, "Concat", {{"axis", c.attrs().i("axis", 0)}}, parts), 0, c.in(1).dtype);
}

// ---------------------------------------------------------------- QLinearReduceMean

void infer_reduce_mean(InferCtx& c) {
  const Shape* s = c.shape(0);
  if (s == nullptr) return c.out(0, c.dtype(0));
  const bool keep = c.attrs().i("keepdims", 1) != 0;
  auto axes = c.attrs().ints("axes");
  if (axes.empty())
    for (size_t i = 0; i < s->size(); ++i) axes.push_back(static_cast<int64_t>(i));
  axes = normalize_axes(c, axes, static_cast<int64_t>(s->size()));
  Shape out;
  for (size_t i = 0; i < s->size(); ++i) {
    const bool reduced = std::find(axes.begin(), axes.end(), static_cast<int64_t>(i)) != axes.end();
    if (!reduced)
      out.push_back((*s)[i]);
    else if (keep)
      out.emplace_back(1);
  }
  c.out(0, c.dtype(0), std::move(out));
}

void eval_reduce_mean(EvalCtx& c) {
  std::vector<Datum> in{dequantized(c, 0)};
  if (const auto axes = c.attrs().ints("axes"); !axes.empty()) in.emplace_back(Tensor::of_i64(axes));
  set_quantized(c, call_op(c, "ReduceMean", {{"keepdims", c.attrs().i("keepdims", 1)}}, in), 3,
                c.in(0).dtype);
}

// ---------------------------------------------------------------- QLinearWhere

void infer_where(InferCtx& c) {
  const Shape *a = c.shape(0), *x = c.shape(1), *y = c.shape(4);
  if (a == nullptr || x == nullptr || y == nullptr) return c.out(0, c.dtype(1));
  c.out(0, c.dtype(1), broadcast_shapes(c, broadcast_shapes(c, *a, *x), *y));
}

void eval_where(EvalCtx& c) {
  set_quantized(c, call_op(c, "Where", {}, {c.in(0), dequantized(c, 1), dequantized(c, 4)}), 7,
                c.in(1).dtype);
}

}  // namespace

Tensor dequantized(EvalCtx& c, size_t i) {
  const Tensor &x = c.in(i), &scale = c.in(i + 1);
  const Tensor* zero = c.maybe(i + 2);
  check_lone(scale, zero);
  if (!is_byte(x.dtype) || (zero != nullptr && zero->dtype != x.dtype))
    fail("bytes of type {} with a zero point of type {}", onnx_name(x.dtype),
         onnx_name(zero != nullptr ? zero->dtype : DType::Undefined));
  return dequantize(x, scale, zero, DType::F32, {});
}

void set_quantized(EvalCtx& c, const Tensor& real, size_t scale, DType dtype) {
  const Tensor& s = c.in(scale);
  const Tensor* zero = c.maybe(scale + 1);
  check_lone(s, zero);
  if (!is_byte(dtype) || (zero != nullptr && zero->dtype != dtype))
    fail("a result of type {}", onnx_name(dtype));
  c.set(0, quantize(real, s, zero, dtype, {}));
}

void register_qlinear(OpRegistry& r) {
  r.add({kMicrosoft, "QLinearAdd", infer_binary_bytes, eval_binary_bytes<kAdd>});
  r.add({kMicrosoft, "QLinearConcat", infer_concat, eval_concat});
  r.add({kMicrosoft, "QLinearLeakyRelu", infer_like_first, eval_leaky_relu});
  r.add({kMicrosoft, "QLinearMul", infer_binary_bytes, eval_binary_bytes<kMul>});
  r.add({kMicrosoft, "QLinearReduceMean", infer_reduce_mean, eval_reduce_mean});
  r.add({kMicrosoft, "QLinearSigmoid", infer_like_first, eval_sigmoid});
  r.add({kMicrosoft, "QLinearSoftmax", infer_like_first, eval_softmax});
  r.add({kMicrosoft, "QLinearWhere", infer_where, eval_where});
}

}  // namespace lathe
