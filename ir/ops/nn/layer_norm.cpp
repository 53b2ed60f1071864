#include "ir/ops/nn/layer_norm.h"

#include <cmath>

#include "ir/ops/convert.h"
#include "ir/ops/op_def.h"
#include "ir/ops/row_math.h"

namespace lathe {
namespace {

// A scale or bias stretched to one row of n elements (step 0) or to one row for each of x's (step n).
struct RowOperand {
  Tensor values;
  int64_t step = 0;
};

RowOperand row_operand(const Tensor& t, const Dims& x, size_t axis, DType wide) {
  const Dims row(x.begin() + static_cast<int64_t>(axis), x.end());
  const bool fits_row = t.dims.size() <= row.size();
  const Dims& target = fits_row ? row : x;
  RowOperand r{convert(t, wide), fits_row ? 0 : element_count(row)};
  if (r.values.dims == target) return r;
  Tensor full = Tensor::uninitialized(wide, target);
  const StridedLoop<1> loop(target, {broadcast_strides(r.values.dims, target)});
  dispatch<WideFloats>(wide, [&]<class C>() {
    const C* from = r.values.data<C>().data();
    C* to = full.mutable_data<C>().data();
    loop.run(0, loop.count(), [&](int64_t o, const auto& at, int64_t n) {
      for (int64_t i = 0; i < n; ++i) to[o + i] = from[at[0] + i * loop.inner()[0]];
    });
  });
  r.values = std::move(full);
  return r;
}

template <class T, class R>
void run(const Tensor& x, const LayerNormParams& p, Tensor& y, Tensor* mean, Tensor* inverse_deviation) {
  using C = Compute<T>;
  constexpr DType wide = dtype_of<C>;
  const int64_t rows = span_count(x.dims, 0, p.axis), n = span_count(x.dims, p.axis, x.dims.size());
  if (x.count() == 0) return;
  RowOperand scale, bias;
  if (p.scale != nullptr) scale = row_operand(*p.scale, x.dims, p.axis, wide);
  if (p.bias != nullptr) bias = row_operand(*p.bias, x.dims, p.axis, wide);
  const C* s = p.scale != nullptr ? scale.values.data<C>().data() : nullptr;
  const C* b = p.bias != nullptr ? bias.values.data<C>().data() : nullptr;
  const T* in = x.data<T>().data();
  R* out = y.mutable_data<R>().data();
  C* means = mean != nullptr ? mean->mutable_data<C>().data() : nullptr;
  C* inverses = inverse_deviation != nullptr ? inverse_deviation->mutable_data<C>().data() : nullptr;
  const C count = static_cast<C>(n), epsilon = static_cast<C>(p.epsilon);
  parallel_for(rows, rows_per_chunk(n), [&](int64_t begin, int64_t end) {
    RowReader<T> reader;
    for (int64_t r = begin; r < end; ++r) {
      const C* v = reader.read(in + r * n, n);
      const C mu = p.centered ? row_sum(v, n) / count : C{0};
      const auto square = [v, mu](int64_t i) { return (v[i] - mu) * (v[i] - mu); };
      const C variance = row_reduce(n, C{0}, square, [](C a, C c) { return a + c; }) / count;
      const C inverse = 1 / std::sqrt(variance + epsilon);
      if (means != nullptr) means[r] = mu;
      if (inverses != nullptr) inverses[r] = inverse;
      const C *rs = s == nullptr ? nullptr : s + r * scale.step,
              *rb = b == nullptr ? nullptr : b + r * bias.step;
      R* o = out + r * n;
      if (rs != nullptr && rb != nullptr) {
        for (int64_t i = 0; i < n; ++i) o[i] = static_cast<R>((v[i] - mu) * inverse * rs[i] + rb[i]);
      } else if (rs != nullptr) {
        for (int64_t i = 0; i < n; ++i) o[i] = static_cast<R>((v[i] - mu) * inverse * rs[i]);
      } else {
        for (int64_t i = 0; i < n; ++i)
          o[i] = static_cast<R>((v[i] - mu) * inverse + (rb != nullptr ? rb[i] : C{0}));
      }
    }
  });
}

Dims statistics_dims(const Tensor& x, size_t axis) {
  Dims d = x.dims;
  std::fill(d.begin() + static_cast<int64_t>(axis), d.end(), 1);
  return d;
}

void eval_norm(EvalCtx& c, bool centered) {
  const Tensor& x = c.in(0);
  LayerNormParams p;
  p.axis = static_cast<size_t>(normalize_axis(c.attrs().i("axis", -1), x.rank()));
  p.epsilon = c.attrs().f("epsilon", 1e-5f);
  p.centered = centered;
  p.scale = &c.in(1);
  if (centered) p.bias = c.maybe(2);
  // RMSNormalization: the result takes the scale's type.
  Tensor y = Tensor::uninitialized(centered ? x.dtype : p.scale->dtype, x.dims);
  const DType wide = x.dtype == DType::F64 ? DType::F64 : DType::F32;
  const Dims stats = statistics_dims(x, p.axis);
  Tensor mean = Tensor::uninitialized(wide, stats), inverse = Tensor::uninitialized(wide, stats);
  layer_norm(x, p, y, &mean, &inverse);
  c.set(0, std::move(y));
  if (c.wants(1)) c.set(1, std::move(mean));
  if (c.wants(2)) c.set(2, std::move(inverse));
}

void infer_norm(InferCtx& c, bool centered) {
  const Shape* x = c.shape(0);
  c.out(0, centered ? c.dtype(0) : c.dtype(1), x != nullptr ? std::optional(*x) : std::nullopt);
  const DType wide = c.dtype(0) == DType::F64 ? DType::F64 : DType::F32;
  std::optional<Shape> stats;
  if (x != nullptr) {
    stats = *x;
    const int64_t axis = normalize_axis(c, c.attrs().i("axis", -1), static_cast<int64_t>(x->size()));
    std::fill(stats->begin() + axis, stats->end(), Dim(1));
  }
  for (size_t i = 1; i < c.outputs(); ++i) c.out(i, wide, stats);
}

}  // namespace

void layer_norm(const Tensor& x, const LayerNormParams& p, Tensor& y, Tensor* mean,
                Tensor* inverse_deviation) {
  dispatch<Floats>(x.dtype, [&]<class T>() {
    if (y.dtype == x.dtype) return run<T, T>(x, p, y, mean, inverse_deviation);
    dispatch<Floats>(y.dtype, [&]<class R>() { run<T, R>(x, p, y, mean, inverse_deviation); });
  });
}

void register_layer_norm(OpRegistry& r) {
  r.add({.domain = "",
         .type = "LayerNormalization",
         .infer = [](InferCtx& c) { infer_norm(c, true); },
         .eval = [](EvalCtx& c) { eval_norm(c, true); }});
  r.add({.domain = "",
         .type = "RMSNormalization",
         .infer = [](InferCtx& c) { infer_norm(c, false); },
         .eval = [](EvalCtx& c) { eval_norm(c, false); }});
}

}  // namespace lathe
