// GroupNorm, SkipGroupNorm (com.microsoft). Wu and He, "Group Normalization"; with the SiLU that follows it
// in diffusion models.
#include <cmath>

#include "ir/base/parallel.h"
#include "ir/ops/contrib/shapes.h"
#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"

namespace lathe {
namespace {

struct Layout {
  int64_t batch = 0, channels = 0, area = 0, groups = 0;
  bool last = true;  // channels
  int64_t at(int64_t b, int64_t channel, int64_t place) const {
    return last ? (b * area + place) * channels + channel : (b * channels + channel) * area + place;
  }
};

Layout layout_of(const Attrs& attrs, const Tensor& x) {
  Layout l;
  l.last = attrs.i("channels_last", 1) != 0;
  l.groups = attrs.i("groups", 0);
  if (x.rank() < 3) fail("x has rank {}, at least 3 is needed", x.rank());
  l.batch = x.dims[0];
  l.channels = l.last ? x.dims.back() : x.dims[1];
  if (l.groups < 1 || l.channels % l.groups != 0) fail("{} channels in {} groups", l.channels, l.groups);
  l.area = l.channels == 0 || l.batch == 0 ? 0 : x.count() / l.batch / l.channels;
  return l;
}

template <class T>
void normalise(const Attrs& attrs, const Layout& l, const T* x, const T* gamma, const T* beta, T* y) {
  const bool silu = attrs.i("activation", 0) == 1;
  const double epsilon = static_cast<double>(attrs.f("epsilon", 1e-5f));
  const int64_t width = l.channels / l.groups;
  const auto n = static_cast<double>(width * l.area);
  parallel_for(l.batch * l.groups, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / l.groups, first = i % l.groups * width;
      double sum = 0, squares = 0;
      for (int64_t p = 0; p < l.area; ++p)
        for (int64_t k = first; k < first + width; ++k) sum += static_cast<double>(x[l.at(b, k, p)]);
      const double mean = sum / n;
      for (int64_t p = 0; p < l.area; ++p)
        for (int64_t k = first; k < first + width; ++k) {
          const double d = static_cast<double>(x[l.at(b, k, p)]) - mean;
          squares += d * d;
        }
      const double inverse = 1 / std::sqrt(squares / n + epsilon);
      for (int64_t p = 0; p < l.area; ++p)
        for (int64_t k = first; k < first + width; ++k) {
          const int64_t at = l.at(b, k, p);
          const T v = static_cast<T>((static_cast<double>(x[at]) - mean) * inverse) * gamma[k] + beta[k];
          y[at] = silu ? v / (T(1) + std::exp(-v)) : v;
        }
    }
  });
}

// x + skip + bias; skip may lack the spatial dims, bias is by channel.
template <class T>
Tensor summed(const Layout& l, const Tensor& x, const Tensor& skip, const Tensor* bias) {
  const DType t = dtype_of<T>;
  const Tensor wx = convert(x, t), ws = convert(skip, t), wb = bias != nullptr ? convert(*bias, t) : Tensor();
  const bool flat = skip.dims != x.dims;
  if (flat && (skip.rank() < 1 || skip.dims[0] != l.batch || skip.count() != l.batch * l.channels))
    fail("skip does not fit the input");
  Tensor y = Tensor::uninitialized(t, x.dims);
  T* to = y.mutable_data<T>().data();
  for (int64_t b = 0; b < l.batch; ++b)
    for (int64_t k = 0; k < l.channels; ++k)
      for (int64_t p = 0; p < l.area; ++p) {
        const int64_t at = l.at(b, k, p);
        to[at] = wx.data<T>()[static_cast<size_t>(at)] +
                 ws.data<T>()[static_cast<size_t>(flat ? b * l.channels + k : at)];
        if (bias != nullptr) to[at] += wb.data<T>()[static_cast<size_t>(k)];
      }
  return y;
}

void eval_group_norm(EvalCtx& c) {
  const Tensor &x = c.in(0), &gamma = c.in(1), &beta = c.in(2);
  const Tensor *skip = c.maybe(3), *bias = c.maybe(4);
  if (c.attrs().i("activation", 0) != 0 && c.attrs().i("activation", 0) != 1)
    fail("activation {}", c.attrs().i("activation", 0));
  const Layout l = layout_of(c.attrs(), x);
  if (gamma.count() != l.channels || beta.count() != l.channels ||
      (bias != nullptr && bias->count() != l.channels))
    fail("gamma, beta and bias must have {} elements", l.channels);
  with_float(float_compute_type({&x, &gamma, &beta, skip, bias}), [&]<class T>() {
    const DType t = dtype_of<T>;
    const Tensor sum = skip != nullptr ? summed<T>(l, x, *skip, bias) : convert(x, t);
    const Tensor wg = convert(gamma, t), wb = convert(beta, t);
    Tensor y = Tensor::uninitialized(t, x.dims);
    normalise<T>(c.attrs(), l, sum.data<T>().data(), wg.data<T>().data(), wb.data<T>().data(),
                 y.mutable_data<T>().data());
    set_rounded(c, 0, y, x.dtype);
    if (skip != nullptr) set_rounded(c, 1, sum, x.dtype);
  });
}

void infer_skip_group_norm(InferCtx& c) {
  infer_like_first(c);
  const Shape* s = c.shape(0);
  c.out(1, c.dtype(0), s != nullptr ? std::optional(*s) : std::nullopt);
}

}  // namespace

void register_contrib_group_norm(OpRegistry& r) {
  r.add({kMicrosoft, "GroupNorm", infer_like_first, eval_group_norm});
  r.add({kMicrosoft, "SkipGroupNorm", infer_skip_group_norm, eval_group_norm});
}

}  // namespace lathe
