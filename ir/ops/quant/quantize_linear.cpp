// QuantizeLinear, DequantizeLinear (and their com.microsoft spellings), DynamicQuantizeLinear.
#include "ir/ops/convert.h"
#include "ir/ops/op_def.h"
#include "ir/ops/quant/affine.h"
#include "ir/ops/tensor/args.h"

namespace lathe {
namespace {

DType asked_dtype(const Attrs& a, const char* name, DType otherwise) {
  const int64_t t = a.i(name, 0);
  if (t == 0) return otherwise;
  if (t < 0 || t >= kDTypeCount || !is_valid(static_cast<DType>(t)) ||
      t == static_cast<int64_t>(DType::String))
    fail("{} {}", name, t);
  return static_cast<DType>(t);
}

DType quantized_dtype(const Attrs& a, DType zero) {
  return zero != DType::Undefined ? zero : asked_dtype(a, "output_dtype", DType::U8);
}

void infer_as(InferCtx& c, DType dtype) {
  const Shape* s = c.shape(0);
  c.out(0, dtype, s != nullptr ? std::optional(*s) : std::nullopt);
}

void infer_quantize(InferCtx& c) {
  if (c.has(2) && c.dtype(2) == DType::Undefined) return;
  infer_as(c, quantized_dtype(c.attrs(), c.has(2) ? c.dtype(2) : DType::Undefined));
}

void eval_quantize(EvalCtx& c) {
  const Tensor &x = c.in(0), &scale = c.in(1);
  const Tensor* zero = c.maybe(2);
  const DType to = quantized_dtype(c.attrs(), zero != nullptr ? zero->dtype : DType::Undefined);
  const ScaleMap map = scale_map(x, scale, zero, c.attrs().i("axis", 1), c.attrs().i("block_size", 0));
  c.set(0, quantize(x, scale, zero, to, map, c.attrs().i("saturate", 1) != 0));
}

void infer_dequantize(InferCtx& c) { infer_as(c, asked_dtype(c.attrs(), "output_dtype", c.dtype(1))); }

void eval_dequantize(EvalCtx& c) {
  const Tensor &x = c.in(0), &scale = c.in(1);
  const Tensor* zero = c.maybe(2);
  if (x.dtype == DType::String) fail("strings cannot be dequantized");
  if (scale.dtype == DType::F8E8M0 && c.attrs().i("output_dtype", 0) == 0)
    fail("with a scale of type float8e8m0, output_dtype is needed");
  const ScaleMap map = scale_map(x, scale, zero, c.attrs().i("axis", 1), c.attrs().i("block_size", 0));
  c.set(0, dequantize(x, scale, zero, asked_dtype(c.attrs(), "output_dtype", scale.dtype), map));
}

// ---------------------------------------------------------------- DynamicQuantizeLinear

void infer_dynamic(InferCtx& c) {
  infer_as(c, DType::U8);
  c.out(1, DType::F32, Shape{});
  c.out(2, DType::U8, Shape{});
}

void eval_dynamic(EvalCtx& c) {
  const Tensor x = convert(c.in(0), DType::F32);
  const DynamicScale d = dynamic_scale(x);
  c.set(0, quantize(x, d.scale, &d.zero, DType::U8, {}));
  if (c.wants(1)) c.set(1, d.scale);  // a hostile node lists fewer
  if (c.wants(2)) c.set(2, d.zero);
}

}  // namespace

void register_quantize_linear(OpRegistry& r) {
  for (const char* domain : {"", "com.microsoft"}) {
    r.add({domain, "DequantizeLinear", infer_dequantize, eval_dequantize});
    r.add({domain, "QuantizeLinear", infer_quantize, eval_quantize});
  }
  r.add({"", "DynamicQuantizeLinear", infer_dynamic, eval_dynamic});
}

}  // namespace lathe
