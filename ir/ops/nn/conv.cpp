// Conv: the weights times the input's windows as the columns of a matrix; depthwise convolutions directly.
#include "ir/ops/nn/conv.h"

#include "ir/ops/convert.h"
#include "ir/ops/dispatch.h"
#include "ir/ops/math/gemm_kernel.h"
#include "ir/ops/nn/depthwise.h"
#include "ir/ops/nn/window_columns.h"
#include "ir/ops/op_def.h"
#include "ir/ops/row_math.h"

namespace lathe {
namespace {

struct Problem {
  Window window;
  int64_t batch, channels, features, group;
  int64_t channels_in_group() const { return channels / group; }
  int64_t features_in_group() const { return features / group; }
};

// The input is its own matrix of columns.
bool is_pointwise(const Window& w) {
  const auto ones = [](const Dims& d) {
    return std::all_of(d.begin(), d.end(), [](int64_t v) { return v == 1; });
  };
  return ones(w.kernel) && ones(w.strides) && w.out == w.in;
}

template <class T>
void by_columns(const Problem& p, const T* x, const T* weights, T* y, bool has_bias) {
  const Window& w = p.window;
  const int64_t depth = checked_mul(p.channels_in_group(), w.taps()), pixels = w.out_pixels();
  Gemm<T> g;
  g.m = p.features_in_group();
  g.n = g.ldb = g.ldc = pixels;
  g.k = depth;
  g.lda = std::max<int64_t>(1, depth);
  g.beta = has_bias ? 1 : 0;
  std::vector<GemmOffsets> at(static_cast<size_t>(p.batch * p.group));  // by image and group
  for (size_t i = 0; i < at.size(); ++i) {
    const int64_t group = static_cast<int64_t>(i) % p.group, image = static_cast<int64_t>(i) / p.group;
    at[i] = {group * g.m * depth, static_cast<int64_t>(i) * p.channels_in_group() * w.in_pixels(),
             (image * p.features + group * g.m) * pixels};
  }
  if (is_pointwise(w)) return gemm_batch(g, weights, x, y, at);
  for (const GemmOffsets& o : at) gemm_columns(g, weights + o.a, WindowColumns<T>(w, x + o.b), y + o.c);
}

// Images of one pixel: a matrix times vectors. Sums in eight lanes round less than one chain over all
// channels, which squeeze-and-excite blocks feel (their hard sigmoids cancel what is large).
template <class T>
void by_dots(const Problem& p, const T* x, const T* weights, T* y) {
  const int64_t depth = p.channels_in_group();
  parallel_for(p.batch * p.features, rows_per_chunk(depth), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t image = i / p.features, feature = i % p.features;
      const T* w = weights + feature * depth;
      const T* v = x + (image * p.group + feature / p.features_in_group()) * depth;
      y[i] +=
          row_reduce(depth, T{0}, [w, v](int64_t k) { return w[k] * v[k]; }, [](T a, T b) { return a + b; });
    }
  });
}

template <class T>
void run(const Problem& p, const Tensor& x, const Tensor& w, const Tensor* bias, Tensor& y) {
  if (y.count() == 0) return;
  T* out = y.mutable_data<T>().data();
  const bool depthwise = p.channels_in_group() == 1 && p.group > 1,
             pixel = is_pointwise(p.window) && p.window.out_pixels() == 1;
  if (bias != nullptr || depthwise || pixel) {
    const T* b = bias != nullptr ? bias->data<T>().data() : nullptr;
    const int64_t pixels = p.window.out_pixels();
    parallel_for(p.batch * p.features, std::max<int64_t>(1, kGrain / pixels),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; ++i)
                     std::fill_n(out + i * pixels, pixels, b != nullptr ? b[i % p.features] : T{0});
                 });
  }
  if (pixel) {
    by_dots(p, x.data<T>().data(), w.aligned().data<T>().data(), out);
  } else if (depthwise) {
    depthwise_conv(p.window, p.batch, p.channels, p.features, x.data<T>().data(),
                   w.aligned().data<T>().data(), out);
  } else {
    by_columns(p, x.data<T>().data(), w.data<T>().data(), out, bias != nullptr);
  }
}

void eval_conv(EvalCtx& c) {
  Tensor y = conv(c.in(0), c.raw(1), c.maybe(2), c.attrs());
  c.set(0, std::move(y));
}

}  // namespace

Tensor conv(const Tensor& x, const Tensor& w, const Tensor* bias, const Attrs& attrs) {
  if (x.dtype != w.dtype || (bias != nullptr && bias->dtype != x.dtype))
    fail("element types of x, w and bias differ");
  if (x.rank() < 3 || w.rank() != x.rank()) fail("x has rank {} and w rank {}", x.rank(), w.rank());
  Problem p;
  p.batch = x.dims[0];
  p.channels = x.dims[1];
  p.features = w.dims[0];
  p.group = attrs.i("group", 1);
  if (p.group < 1 || p.channels % p.group != 0 || p.features % p.group != 0)
    fail("{} channels and {} features do not divide into {} groups", p.channels, p.features, p.group);
  if (w.dims[1] != p.channels_in_group())
    fail("w has {} channels, x has {} in {} groups", w.dims[1], p.channels, p.group);
  if (bias != nullptr && (bias->rank() != 1 || bias->count() != p.features))
    fail("the bias must hold one value for each of {} features", p.features);
  p.window = make_window(attrs, Dims(w.dims.begin() + 2, w.dims.end()),
                         Dims(x.dims.begin() + 2, x.dims.end()), false);
  Dims dims{p.batch, p.features};
  dims.insert(dims.end(), p.window.out.begin(), p.window.out.end());
  const bool half = x.dtype == DType::F16 || x.dtype == DType::BF16;
  const DType wide = half ? DType::F32 : x.dtype;
  Tensor y = Tensor::uninitialized(wide, dims);
  const Tensor wide_x = convert(x, wide), wide_w = convert(w, wide);
  const Tensor wide_bias = bias != nullptr ? convert(*bias, wide) : Tensor();
  dispatch<WideFloats>(
      wide, [&]<class T>() { run<T>(p, wide_x, wide_w, bias != nullptr ? &wide_bias : nullptr, y); });
  return convert(y, x.dtype);
}

void infer_conv(InferCtx& c, size_t weight, DType dtype) {
  const Shape *x = c.shape(0), *w = c.shape(weight);
  if (x == nullptr) return c.out(0, dtype);
  if (x->size() < 3) c.contradiction(fmt::format("x has rank {}", x->size()));
  Shape out{(*x)[0], Dim::unknown()};
  Shape kernel;
  if (w != nullptr) {
    if (w->size() != x->size())
      c.contradiction(fmt::format("x has rank {} and w rank {}", x->size(), w->size()));
    out[1] = (*w)[0];
    kernel.assign(w->begin() + 2, w->end());
  } else if (!c.attrs().has("kernel_shape")) {
    for (size_t i = 2; i < x->size(); ++i) out.push_back(Dim::unknown());
    return c.out(0, dtype, std::move(out));
  }
  const Shape spatial = window_shape(c, kernel, Shape(x->begin() + 2, x->end()), false);
  out.insert(out.end(), spatial.begin(), spatial.end());
  c.out(0, dtype, std::move(out));
}

void register_conv(OpRegistry& r) {
  r.add({.domain = "",
         .type = "Conv",
         .infer = [](InferCtx& c) { infer_conv(c, 1, c.dtype(0)); },
         .eval = eval_conv});
}

}  // namespace lathe
