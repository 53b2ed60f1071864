// Bernoulli, Multinomial, RandomNormal, RandomUniform and their Like forms. A `seed` attribute fixes the
// draw; otherwise it comes from the run's seed and the node.
#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

#include "ir/base/rng.h"
#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"

namespace lathe {
namespace {

Rng rng_of(const EvalCtx& c) {
  if (!c.attrs().has("seed")) return Rng(c.seed);
  return Rng(hash_combine(1, std::bit_cast<uint32_t>(c.attrs().f("seed", 0))));
}

// Box and Muller, 1958.
double normal(Rng& rng) {
  const double u = 1 - rng.uniform(), v = rng.uniform();
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
}

DType asked(const Attrs& attrs, DType otherwise) {
  const int64_t t = attrs.i("dtype", 0);
  if (t == 0) return otherwise;
  if (t < 1 || t >= kDTypeCount || !is_valid(static_cast<DType>(t))) fail("dtype {}", t);
  return static_cast<DType>(t);
}

DType float_dtype(const Attrs& attrs, DType otherwise) {
  const DType t = asked(attrs, otherwise);
  if (!is_floating(t) && t != DType::Undefined) fail("random numbers of type {}", onnx_name(t));
  return t;
}

template <class Draw>
void fill(EvalCtx& c, DType dtype, Dims dims, Draw&& draw) {
  Tensor& y = c.out(0, dtype, std::move(dims));
  const int64_t n = y.count();
  for (int64_t i = 0; i < n; ++i) store_double(dtype, y.mutable_bytes().data(), i, draw());
}

void draw_normal(EvalCtx& c, DType dtype, Dims dims) {
  Rng rng = rng_of(c);
  const double mean = c.attrs().f("mean", 0), scale = c.attrs().f("scale", 1);
  fill(c, dtype, std::move(dims), [&] { return mean + scale * normal(rng); });
}

// [low, high): what rounds up to `high` in the element type is drawn again.
void draw_uniform(EvalCtx& c, DType dtype, Dims dims) {
  Rng rng = rng_of(c);
  const double low = c.attrs().f("low", 0), high = c.attrs().f("high", 1);
  if (!std::isfinite(low) || !std::isfinite(high) || !(low <= high))
    fail("no uniform draw from {} to {}", low, high);
  Tensor one = Tensor::make(dtype, {1});
  fill(c, dtype, std::move(dims), [&] {
    for (int tries = 0; tries < 64; ++tries) {
      const double v = rng.uniform(low, high);
      store_double(dtype, one.mutable_bytes().data(), 0, v);
      if (one.as_double(0) < high) return v;
    }
    return low;
  });
}

template <void (*Draw)(EvalCtx&, DType, Dims)>
void eval_shaped(EvalCtx& c) {
  Draw(c, float_dtype(c.attrs(), DType::F32), c.attrs().ints("shape"));
}
template <void (*Draw)(EvalCtx&, DType, Dims)>
void eval_like(EvalCtx& c) {
  Draw(c, float_dtype(c.attrs(), c.raw(0).dtype), c.raw(0).dims);
}

void infer_shaped(InferCtx& c) {
  c.out(0, float_dtype(c.attrs(), DType::F32), to_shape(c.attrs().ints("shape")));
}
void infer_like(InferCtx& c) {
  const Shape* s = c.shape(0);
  c.out(0, asked(c.attrs(), c.dtype(0)), s != nullptr ? std::optional(*s) : std::nullopt);
}

void eval_bernoulli(EvalCtx& c) {
  const Tensor& p = c.in(0);
  if (!is_floating(p.dtype)) fail("probabilities of type {}", onnx_name(p.dtype));
  const DType dtype = asked(c.attrs(), p.dtype);
  if (dtype == DType::String) fail("draws of strings");
  Rng rng = rng_of(c);
  int64_t i = 0;
  fill(c, dtype, p.dims, [&] { return rng.uniform() < p.as_double(i++) ? 1.0 : 0.0; });
}

void infer_multinomial(InferCtx& c) {
  const Shape* x = c.shape(0);
  if (x != nullptr && x->size() != 2) c.contradiction("the input must be [batch, classes]");
  c.out(0, asked(c.attrs(), DType::I32),
        Shape{x != nullptr ? (*x)[0] : Dim::unknown(), Dim(c.attrs().i("sample_size", 1))});
}

// The input holds unnormalized log-probabilities.
void eval_multinomial(EvalCtx& c) {
  const Tensor& x = c.in(0);
  if (x.rank() != 2) fail("the input must be [batch, classes]");
  if (!is_floating(x.dtype)) fail("log-probabilities of type {}", onnx_name(x.dtype));
  const DType dtype = asked(c.attrs(), DType::I32);
  if (dtype != DType::I32 && dtype != DType::I64) fail("dtype {}", onnx_name(dtype));
  const int64_t samples = c.attrs().i("sample_size", 1), classes = x.dims[1];
  if (samples < 0) fail("sample_size {}", samples);
  Tensor& y = c.out(0, dtype, {x.dims[0], samples});
  if (y.count() == 0) return;
  if (classes == 0) fail("there are no classes to draw from");
  Rng rng = rng_of(c);
  std::vector<double> sums(static_cast<size_t>(classes));
  for (int64_t b = 0; b < x.dims[0]; ++b) {
    double top = -INFINITY, total = 0;
    for (int64_t k = 0; k < classes; ++k) top = std::max(top, x.as_double(b * classes + k));
    for (int64_t k = 0; k < classes; ++k)
      sums[static_cast<size_t>(k)] = total += std::exp(x.as_double(b * classes + k) - top);
    if (!std::isfinite(total)) fail("row {} holds no probabilities", b);
    for (int64_t s = 0; s < samples; ++s) {
      const auto at = std::upper_bound(sums.begin(), sums.end(), rng.uniform() * total) - sums.begin();
      store_i64(dtype, y.mutable_bytes().data(), b * samples + s, std::min<int64_t>(at, classes - 1));
    }
  }
}

}  // namespace

void register_random(OpRegistry& r) {
  r.add({"", "Bernoulli", infer_like, eval_bernoulli, Exactness::random});
  r.add({"", "Multinomial", infer_multinomial, eval_multinomial, Exactness::random});
  r.add({"", "RandomNormal", infer_shaped, eval_shaped<draw_normal>, Exactness::random});
  r.add({"", "RandomNormalLike", infer_like, eval_like<draw_normal>, Exactness::random});
  r.add({"", "RandomUniform", infer_shaped, eval_shaped<draw_uniform>, Exactness::random});
  r.add({"", "RandomUniformLike", infer_like, eval_like<draw_uniform>, Exactness::random});
}

}  // namespace lathe
