// QAttention, QEmbedLayerNormalization (com.microsoft): Attention and EmbedLayerNormalization on bytes. The
// projection runs on what the bytes stand for.
#include "ir/ops/call_op.h"
#include "ir/ops/contrib/shapes.h"
#include "ir/ops/quant/affine.h"
#include "ir/ops/tensor/args.h"

namespace lathe {
namespace {

Tensor real(EvalCtx& c, size_t x, size_t scale, size_t zero, int64_t axis = 0) {
  const Tensor &t = c.in(x), &s = c.in(scale);
  const Tensor* z = c.maybe(zero);
  if (!is_integer(t.dtype)) fail("input {} is {}, not bytes", x, onnx_name(t.dtype));
  if (s.count() == 1 && z != nullptr && z->count() != 1) {  // one scale, zero points of their own
    return dequantize(t, Tensor::full(s.dtype, z->dims, s.as_double(0)), z, s.dtype,
                      scale_map(t, *z, nullptr, axis, 0));
  }
  if (s.count() != 1 && z != nullptr && z->count() == 1) {
    const Tensor spread = Tensor::full(z->dtype, s.dims, z->as_double(0));
    return dequantize(t, s, &spread, s.dtype, scale_map(t, s, nullptr, axis, 0));
  }
  return dequantize(t, s, z, s.dtype, s.count() == 1 ? ScaleMap{} : scale_map(t, s, z, axis, 0));
}

Datum optional(const EvalCtx& c, size_t i) { return c.has(i) ? Datum(c.in(i)) : Datum(); }

// ---------------------------------------------------------------- QAttention

enum Input { kInput, kWeight, kBias, kInputScale, kWeightScale, kMask, kInputZero, kWeightZero, kPast };

void infer_qattention(InferCtx& c) {
  const Shape *x = c.shape(kInput), *w = c.shape(kWeight), *past = c.shape(kPast);
  const DType t = c.dtype(kInputScale);
  const int64_t heads = c.attrs().i("num_heads", 0);
  if (heads < 1) c.contradiction("num_heads is missing");
  if (x == nullptr || x->size() != 3) return c.out(0, t, unknown_shape(3));
  const Dim out = w != nullptr && w->size() == 2 ? Dim::floor_div((*w)[1], 3) : Dim::unknown();
  c.out(0, t, Shape{(*x)[0], (*x)[1], out});
  const Dim keys = !c.has(kPast)                          ? (*x)[1]
                   : past != nullptr && past->size() == 5 ? (*past)[3] + (*x)[1]
                                                          : Dim::unknown();
  c.out(1, t, Shape{2, (*x)[0], heads, keys, Dim::floor_div(out, heads)});
}

void eval_qattention(EvalCtx& c) {
  auto results =
      call_op(c, kMicrosoft, "Attention", c.attrs(),
              {real(c, kInput, kInputScale, kInputZero), real(c, kWeight, kWeightScale, kWeightZero, 1),
               optional(c, kBias), optional(c, kMask), optional(c, kPast)},
              c.wants(1) ? 2 : 1);
  for (size_t i = 0; i < results.size(); ++i) c.set(i, std::move(results[i]));
}

// ---------------------------------------------------------------- QEmbedLayerNormalization

// ids, segment ids; word, position, segment, gamma, beta; mask; then the five's scales and zero points.
constexpr size_t kTables = 2, kEmbedMask = 7, kScales = 8, kZeros = 13;

void infer_qembed(InferCtx& c) {
  const Shape *ids = c.shape(0), *words = c.shape(kTables);
  const bool known = ids != nullptr && ids->size() == 2;
  const Dim batch = known ? (*ids)[0] : Dim::unknown(), length = known ? (*ids)[1] : Dim::unknown();
  c.out(0, c.dtype(kScales),
        Shape{batch, length, words != nullptr && words->size() == 2 ? (*words)[1] : Dim::unknown()});
  c.out(1, DType::I32, Shape{batch});
}

void eval_qembed(EvalCtx& c) {
  std::vector<Datum> in{c.in(0), optional(c, 1)};
  for (size_t i = 0; i < 5; ++i)
    in.push_back(c.has(kTables + i) ? Datum(real(c, kTables + i, kScales + i, kZeros + i)) : Datum());
  in.push_back(optional(c, kEmbedMask));
  auto results = call_op(c, kMicrosoft, "EmbedLayerNormalization", c.attrs(), in, 2);
  for (size_t i = 0; i < results.size(); ++i) c.set(i, std::move(results[i]));
}

}  // namespace

void register_contrib_quantized_attention(OpRegistry& r) {
  r.add({kMicrosoft, "QAttention", infer_qattention, eval_qattention});
  r.add({kMicrosoft, "QEmbedLayerNormalization", infer_qembed, eval_qembed});
}

}  // namespace lathe
