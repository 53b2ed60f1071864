// FlexAttention (ai.onnx.preview): attention with subgraphs that change the scores and the probabilities.
#include <cmath>

#include "ir/ops/convert.h"
#include "ir/ops/math/matmul.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

// The type of the scores that the subgraphs see.
DType score_dtype(const Attrs& attrs, DType input) {
  const int64_t t =
      attrs.i("softmax_precision", static_cast<int64_t>(input == DType::F64 ? DType::F64 : DType::F32));
  const auto dtype = static_cast<DType>(t);
  if (t < 1 || t >= kDTypeCount || !is_floating(dtype) || bit_width(dtype) < 16)
    fail("softmax_precision {}", t);
  return dtype;
}

void infer_flex(InferCtx& c) {
  const Shape *q = c.shape(0), *k = c.shape(1), *v = c.shape(2);
  if (q == nullptr || v == nullptr || k == nullptr) return c.out(0, c.dtype(0));
  if (q->size() != 4 || k->size() != 4 || v->size() != 4) c.contradiction("the inputs must have rank 4");
  const Type scores =
      Type::tensor(score_dtype(c.attrs(), c.dtype(0)), Shape{(*q)[0], (*q)[1], (*q)[2], (*k)[2]});
  for (const char* name : {"score_mod", "prob_mod"})
    if (const GraphId g = c.attrs().graph(name)) c.body(g, std::vector<Type>{scores});
  c.out(0, c.dtype(0), Shape{(*q)[0], (*q)[1], (*q)[2], (*v)[3]});
}

Tensor modified(EvalCtx& c, const char* name, Tensor scores) {
  const GraphId g = c.attrs().graph(name);
  if (!g) return scores;
  auto out = c.run_body(g, {Datum(scores)});
  const Tensor* t = out.size() == 1 ? out[0].tensor() : nullptr;
  if (t == nullptr || t->dims != scores.dims || t->dtype != scores.dtype)
    fail("{} must give one tensor of the type and shape that it takes", name);
  return *t;
}

Tensor softmax_rows(const Tensor& scores) {
  const bool wide = scores.dtype == DType::F64;
  const Tensor in = convert(scores, wide ? DType::F64 : DType::F32).aligned();
  Tensor out = Tensor::uninitialized(in.dtype, in.dims);
  const int64_t n = in.dims.back(), rows = n == 0 ? 0 : in.count() / n;
  const auto run = [&]<class T>(T) {
    for (int64_t r = 0; r < rows; ++r) {
      const T* x = in.data<T>().data() + r * n;
      T* y = out.mutable_data<T>().data() + r * n;
      T top = x[0], sum = 0;
      for (int64_t i = 1; i < n; ++i) top = std::max(top, x[i]);
      for (int64_t i = 0; i < n; ++i) sum += y[i] = std::exp(x[i] - top);
      for (int64_t i = 0; i < n; ++i) y[i] /= sum;
    }
  };
  wide ? run(double{}) : run(float{});
  return convert(out, scores.dtype);
}

// Key and value heads are shared by groups of query heads: [batch, kv heads, group x rows, ...].
void eval_flex(EvalCtx& c) {
  const Tensor &q = c.in(0), &k = c.in(1), &v = c.in(2);
  for (const Tensor* t : {&q, &k, &v})
    if (t->rank() != 4 || t->dtype != q.dtype || t->dims[0] != q.dims[0] || !is_floating(t->dtype) ||
        bit_width(t->dtype) < 16)
      fail("query, key and value must be floats of one type and batch, with rank 4");
  const int64_t heads = q.dims[1], kv_heads = k.dims[1], rows = q.dims[2], keys = k.dims[2], size = q.dims[3];
  if (v.dims[1] != kv_heads || v.dims[2] != keys || k.dims[3] != size)
    fail("query, key and value do not fit together");
  if (kv_heads == 0 ? heads != 0 : heads % kv_heads != 0)
    fail("{} query heads, {} key heads", heads, kv_heads);
  const int64_t grouped = kv_heads == 0 ? 0 : checked_mul(heads / kv_heads, rows);
  const DType scores_type = score_dtype(c.attrs(), q.dtype),
              work = q.dtype == DType::F64 ? DType::F64 : DType::F32;
  const double scale = c.attrs().has("scale") ? static_cast<double>(c.attrs().f("scale", 1))
                                              : 1 / std::sqrt(static_cast<double>(size));
  Tensor scores = matmul(convert(q, work).reshaped({q.dims[0], kv_heads, grouped, size}), convert(k, work),
                         scale, false, true);
  scores = convert(scores, scores_type).reshaped({q.dims[0], heads, rows, keys});
  const Tensor probabilities =
      modified(c, "prob_mod", softmax_rows(modified(c, "score_mod", std::move(scores))));
  const DType product = scores_type == DType::F64 ? DType::F64 : DType::F32;
  const Tensor y = matmul(convert(probabilities, product).reshaped({q.dims[0], kv_heads, grouped, keys}),
                          convert(v, product));
  c.set(0, convert(y, q.dtype).reshaped({q.dims[0], heads, rows, v.dims[3]}));
}

}  // namespace

void register_flex_attention(OpRegistry& r) {
  r.add({"ai.onnx.preview", "FlexAttention", infer_flex, eval_flex});
}

}  // namespace lathe
