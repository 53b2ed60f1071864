// Normalisations with statistics per channel or group: Batch-, Instance-, Group- and LpNormalization, LRN.
#include <cmath>

#include "ir/base/work_vector.h"
#include "ir/ops/convert.h"
#include "ir/ops/op_def.h"
#include "ir/ops/row_math.h"

namespace lathe {
namespace {

// x as [batch, channels, area].
struct Channels {
  int64_t batch, channels, area;
};
Channels channels_of(const Tensor& x) {
  if (x.rank() < 1) fail("a scalar has no channels");
  if (x.rank() == 1) return {x.dims[0], 1, 1};
  return {x.dims[0], x.dims[1], span_count(x.dims, 2, x.dims.size())};
}

// A vector of one value per channel, in the type to compute in.
Tensor per_channel(EvalCtx& c, size_t i, int64_t channels, DType wide) {
  const Tensor& t = c.in(i);
  if (t.rank() != 1 || t.count() != channels)
    fail("input {} must hold one value for each of {} channels", i, channels);
  return convert(t, wide);
}

// y = x * scale[channel] + shift[channel]
template <class T>
void scale_shift(const Tensor& x, const Channels& k, const Compute<T>* scale, const Compute<T>* shift,
                 Tensor& y) {
  const T* in = x.data<T>().data();
  T* out = y.mutable_data<T>().data();
  parallel_for(k.batch * k.channels, rows_per_chunk(k.area), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const Compute<T> s = scale[r % k.channels], b = shift[r % k.channels];
      const T* v = in + r * k.area;
      T* o = out + r * k.area;
      for (int64_t i = 0; i < k.area; ++i) o[i] = static_cast<T>(load_element(v[i]) * s + b);
    }
  });
}

template <class T>
void batch_norm(EvalCtx& c, const Tensor& x) {
  using C = Compute<T>;
  constexpr DType wide = dtype_of<C>;
  const Channels k = channels_of(x);
  const bool training = c.attrs().i("training_mode", 0) != 0;
  const C epsilon = static_cast<C>(c.attrs().f("epsilon", 1e-5f)),
          momentum = static_cast<C>(c.attrs().f("momentum", 0.9f));
  const Tensor gamma = per_channel(c, 1, k.channels, wide), beta = per_channel(c, 2, k.channels, wide);
  const Tensor mean = per_channel(c, 3, k.channels, wide), variance = per_channel(c, 4, k.channels, wide);
  Tensor mu = mean, sigma = variance;
  if (training) {
    mu = Tensor::uninitialized(wide, {k.channels});
    sigma = Tensor::uninitialized(wide, {k.channels});
    const T* in = x.data<T>().data();
    C *pm = mu.mutable_data<C>().data(), *ps = sigma.mutable_data<C>().data();
    const C count = static_cast<C>(k.batch * k.area);
    parallel_for(k.channels, 1, [&](int64_t begin, int64_t end) {
      RowReader<T> reader;
      for (int64_t ch = begin; ch < end; ++ch) {
        C sum = 0, square = 0;
        for (int64_t b = 0; b < k.batch; ++b)
          sum += row_sum(reader.read(in + (b * k.channels + ch) * k.area, k.area), k.area);
        const C m = sum / count;
        for (int64_t b = 0; b < k.batch; ++b) {
          const C* v = reader.read(in + (b * k.channels + ch) * k.area, k.area);
          square += row_reduce(
              k.area, C{0}, [&](int64_t i) { return (v[i] - m) * (v[i] - m); },
              [](C a, C d) { return a + d; });
        }
        pm[ch] = m;
        ps[ch] = square / count;
      }
    });
    for (const size_t o : {1u, 2u}) {
      if (!c.wants(o)) continue;
      const Tensor &before = o == 1 ? mean : variance, &now = o == 1 ? mu : sigma;
      Tensor running = Tensor::uninitialized(wide, {k.channels});
      map_binary<C, C>(before, now, running,
                       [momentum](C a, C b) { return a * momentum + b * (1 - momentum); });
      c.set(o, convert(running, c.in(3).dtype));
    }
  }
  WorkVector<C> scale(static_cast<size_t>(k.channels)), shift(scale.size());
  for (size_t ch = 0; ch < scale.size(); ++ch) {
    scale[ch] = gamma.data<C>()[ch] / std::sqrt(sigma.data<C>()[ch] + epsilon);
    shift[ch] = beta.data<C>()[ch] - mu.data<C>()[ch] * scale[ch];
  }
  scale_shift<T>(x, k, scale.data(), shift.data(), c.out(0, x.dtype, x.dims));
}

void eval_batch_norm(EvalCtx& c) {
  const Tensor& x = c.in(0);
  dispatch<Floats>(x.dtype, [&]<class T>() { batch_norm<T>(c, x); });
}

// Instance- (one group a channel) and GroupNormalization.
template <class T>
void group_norm(EvalCtx& c, const Tensor& x, int64_t groups) {
  using C = Compute<T>;
  const Channels k = channels_of(x);
  if (groups <= 0 || k.channels % groups != 0)
    fail("{} channels do not divide into {} groups", k.channels, groups);
  const Tensor gamma = per_channel(c, 1, k.channels, dtype_of<C>),
               beta = per_channel(c, 2, k.channels, dtype_of<C>);
  const C epsilon = static_cast<C>(c.attrs().f("epsilon", 1e-5f));
  const T* in = x.data<T>().data();
  T* out = c.out(0, x.dtype, x.dims).template mutable_data<T>().data();
  const int64_t members = k.channels / groups, n = members * k.area;
  if (n == 0) return;
  parallel_for(k.batch * groups, rows_per_chunk(n), [&](int64_t begin, int64_t end) {
    RowReader<T> reader;
    for (int64_t r = begin; r < end; ++r) {
      const C* v = reader.read(in + r * n, n);
      const C mu = row_sum(v, n) / static_cast<C>(n);
      const auto square = [v, mu](int64_t i) { return (v[i] - mu) * (v[i] - mu); };
      const C variance = row_reduce(n, C{0}, square, [](C a, C b) { return a + b; }) / static_cast<C>(n);
      const C inverse = 1 / std::sqrt(variance + epsilon);
      for (int64_t m = 0; m < members; ++m) {
        const auto ch = static_cast<size_t>(r % groups * members + m);
        const C s = gamma.data<C>()[ch] * inverse, b = beta.data<C>()[ch];
        for (int64_t i = m * k.area; i < (m + 1) * k.area; ++i)
          out[r * n + i] = static_cast<T>((v[i] - mu) * s + b);
      }
    }
  });
}

void eval_group_norm(EvalCtx& c) {
  const Tensor& x = c.in(0);
  dispatch<Floats>(x.dtype, [&]<class T>() { group_norm<T>(c, x, c.attrs().i("num_groups", 0)); });
}
void eval_instance_norm(EvalCtx& c) {
  const Tensor& x = c.in(0);
  dispatch<Floats>(x.dtype,
                   [&]<class T>() { group_norm<T>(c, x, std::max<int64_t>(1, channels_of(x).channels)); });
}

// x / (|x|_p along the axis); a zero norm leaves zeros.
void eval_lp_normalization(EvalCtx& c) {
  const Tensor& x = c.in(0);
  const int64_t p = c.attrs().i("p", 2);
  if (p != 1 && p != 2) fail("p = {} is neither 1 nor 2", p);
  const auto axis = static_cast<size_t>(normalize_axis(c.attrs().i("axis", -1), x.rank()));
  const int64_t n = x.dims[axis], inner = span_count(x.dims, axis + 1, x.dims.size());
  Tensor& y = c.out(0, x.dtype, x.dims);
  if (x.count() == 0) return;
  dispatch<Floats>(x.dtype, [&]<class T>() {
    using C = Compute<T>;
    const T* in = x.data<T>().data();
    T* out = y.mutable_data<T>().data();
    parallel_for(x.count() / n, rows_per_chunk(n), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const int64_t at = r / inner * n * inner + r % inner;
        const auto term = [&](int64_t i) {
          const C v = load_element(in[at + i * inner]);
          return p == 1 ? std::abs(v) : v * v;
        };
        const C sum = row_reduce(n, C{0}, term, [](C a, C b) { return a + b; });
        const C norm = p == 1 ? sum : std::sqrt(sum);
        for (int64_t i = 0; i < n; ++i) {
          const C v = load_element(in[at + i * inner]);
          out[at + i * inner] = static_cast<T>(norm == 0 ? C{0} : v / norm);
        }
      }
    });
  });
}

// Local response: over `size` neighbouring channels.
void eval_lrn(EvalCtx& c) {
  const Tensor& x = c.in(0);
  const int64_t size = c.attrs().i("size", 0);
  if (size <= 0) fail("size = {} is not positive", size);
  if (x.rank() < 2) fail("rank {} has no channels", x.rank());
  const Channels k = channels_of(x);
  Tensor& y = c.out(0, x.dtype, x.dims);
  const int64_t before = (size - 1) / 2, after = size - 1 - before;
  dispatch<Floats>(x.dtype, [&]<class T>() {
    using C = Compute<T>;
    const C alpha = static_cast<C>(c.attrs().f("alpha", 0.0001f)) / static_cast<C>(size);
    const C beta = static_cast<C>(c.attrs().f("beta", 0.75f)), bias = static_cast<C>(c.attrs().f("bias", 1));
    const T* in = x.data<T>().data();
    T* out = y.mutable_data<T>().data();
    parallel_for(k.batch * k.channels, rows_per_chunk(k.area), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const int64_t ch = r % k.channels, base = r - ch;
        const int64_t lo = std::max<int64_t>(0, ch - before),
                      hi = std::min(k.channels - 1, ch + std::min(after, k.channels));
        for (int64_t i = 0; i < k.area; ++i) {
          C sum = 0;
          for (int64_t j = lo; j <= hi; ++j) {
            const C v = load_element(in[(base + j) * k.area + i]);
            sum += v * v;
          }
          out[r * k.area + i] =
              static_cast<T>(load_element(in[r * k.area + i]) / std::pow(bias + alpha * sum, beta));
        }
      }
    });
  });
}

void infer_batch_norm(InferCtx& c) {
  infer_unary_with(c, DType::Undefined, nullptr);
  for (size_t i = 1; i < c.outputs(); ++i) {
    const Shape* s = c.shape(i + 2);
    c.out(i, c.dtype(i + 2), s != nullptr ? std::optional(*s) : std::nullopt);
  }
}

}  // namespace

void register_batch_norm(OpRegistry& r) {
  r.add({.domain = "", .type = "BatchNormalization", .infer = infer_batch_norm, .eval = eval_batch_norm});
  r.add({.domain = "", .type = "InstanceNormalization", .infer = infer_unary<>, .eval = eval_instance_norm});
  r.add({.domain = "", .type = "GroupNormalization", .infer = infer_unary<>, .eval = eval_group_norm});
  r.add({.domain = "", .type = "LpNormalization", .infer = infer_unary<>, .eval = eval_lp_normalization});
  r.add({.domain = "", .type = "LRN", .infer = infer_unary<>, .eval = eval_lrn});
}

}  // namespace lathe
