#include "ir/ops/nn/rotary_embedding.h"

#include "ir/ops/all_ops.h"
#include "ir/ops/elementwise.h"
#include "ir/ops/nn/attention.h"

namespace lathe {
namespace {

template <class T>
void run(const Tensor& x, const Tensor& cos, const Tensor& sin, const std::vector<int64_t>& angle_row,
         const HeadView& v, const RotaryParams& params, Tensor& y) {
  using C = Compute<T>;
  const int64_t half = params.rotated / 2, batch = x.dims[0];
  const T *in = x.data<T>().data(), *pc = cos.data<T>().data(), *ps = sin.data<T>().data();
  T* out = y.mutable_data<T>().data();
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, v.size));
  parallel_for(batch * v.heads * v.rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i % v.rows, head = i / v.rows % v.heads, b = i / v.rows / v.heads;
      const int64_t at = b * v.batch_stride + head * v.head_stride + row * v.row_stride;
      const int64_t angle = angle_row[static_cast<size_t>(b * v.rows + row)] * half;
      for (int64_t j = 0; j < half; ++j) {
        const int64_t first = at + (params.interleaved ? 2 * j : j);
        const int64_t second = at + (params.interleaved ? 2 * j + 1 : j + half);
        const C a = load_element(in[first]), d = load_element(in[second]);
        const C c = load_element(pc[angle + j]), s = load_element(ps[angle + j]);
        out[first] = static_cast<T>(c * a - s * d);
        out[second] = static_cast<T>(s * a + c * d);
      }
      std::copy(in + at + params.rotated, in + at + v.size, out + at + params.rotated);
    }
  });
}

void eval_rotary(EvalCtx& c) {
  RotaryParams p;
  p.heads = c.attrs().i("num_heads", 0);
  p.rotated = c.attrs().i("rotary_embedding_dim", 0);
  p.interleaved = c.attrs().i("interleaved", 0) != 0;
  c.set(0, rotary_embedding(c.in(0), c.in(1), c.in(2), c.maybe(3), p));
}

}  // namespace

Tensor rotary_embedding(const Tensor& x, const Tensor& cos, const Tensor& sin, const Tensor* positions,
                        const RotaryParams& params) {
  if (cos.dtype != x.dtype || sin.dtype != x.dtype) fail("element types of x, cos and sin differ");
  const HeadView v = HeadView::of(x.dims, params.heads);
  RotaryParams p = params;
  if (p.rotated == 0) p.rotated = v.size;
  if (p.rotated < 0 || p.rotated > v.size || p.rotated % 2 != 0)
    fail("{} of {} values cannot turn in pairs", p.rotated, v.size);
  const int64_t rank = positions != nullptr ? 2 : 3, batch = x.dims[0], half = p.rotated / 2;
  if (cos.rank() != rank || cos.dims != sin.dims) fail("cos and sin must both have rank {}", rank);
  if (cos.dims.back() != half) fail("cos and sin have {} columns, {} are needed", cos.dims.back(), half);
  std::vector<int64_t> angle_row(static_cast<size_t>(batch * v.rows));
  if (positions != nullptr) {
    if (positions->count() != batch * v.rows)
      fail("{} positions for {} rows", positions->count(), batch * v.rows);
    angle_row = positions->to_i64();
    for (const int64_t r : angle_row)
      if (r < 0 || r >= cos.dims[0]) fail("position {} is outside of a table of {}", r, cos.dims[0]);
  } else {
    if (cos.dims[0] != batch || cos.dims[1] != v.rows) fail("cos and sin are not of x's batch and rows");
    for (size_t i = 0; i < angle_row.size(); ++i) angle_row[i] = static_cast<int64_t>(i);
  }
  Tensor y = Tensor::uninitialized(x.dtype, x.dims);
  if (y.count() > 0) dispatch<Floats>(x.dtype, [&]<class T>() { run<T>(x, cos, sin, angle_row, v, p, y); });
  return y;
}

void register_rotary_embedding(OpRegistry& r) {
  r.add({.domain = "", .type = "RotaryEmbedding", .infer = infer_unary<>, .eval = eval_rotary});
}

}  // namespace lathe
