// Gelu, BiasGelu, FastGelu, QuickGelu (com.microsoft). Hendrycks and Gimpel, "Gaussian Error Linear Units".
#include <numbers>

#include "ir/base/parallel.h"
#include "ir/ops/contrib/shapes.h"
#include "ir/ops/fast_math.h"
#include "ir/ops/op_def.h"
#include "ir/ops/row_math.h"

namespace lathe {
namespace {

template <class T>
T exact_gelu(T x) {
  return T(0.5) * x * (T(1) + fast_erf(x * static_cast<T>(std::numbers::sqrt2 / 2)));
}
// The constants of onnxruntime's kernel: sqrt(2 / pi) and 0.044715 sqrt(2 / pi).
template <class T>
T tanh_gelu(T x) {
  return T(0.5) * x * (T(1) + fast_tanh(x * (T(0.035677408136300125) * x * x + T(0.7978845608028654))));
}

// f(x + bias), the bias running along the last axis.
template <class F>
void map_biased(EvalCtx& c, const F& f) {
  const Tensor& x = c.in(0);
  const Tensor* bias = c.maybe(1);
  const int64_t width = x.dims.empty() ? 1 : x.dims.back();
  if (bias != nullptr && bias->count() != width)
    fail("a bias of {} elements for a last axis of {}", bias->count(), width);
  const DType t = float_compute_type({&x, bias});
  with_float(t, [&]<class T>() {
    const Tensor wx = convert(x, t), wb = bias != nullptr ? convert(*bias, t) : Tensor();
    Tensor y = Tensor::uninitialized(t, x.dims);
    const T *from = wx.data<T>().data(), *add = bias != nullptr ? wb.data<T>().data() : nullptr;
    T* to = y.mutable_data<T>().data();
    const int64_t rows = width == 0 ? 0 : x.count() / width;
    parallel_for(rows, rows_per_chunk(width), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const T* in = from + r * width;
        T* out = to + r * width;
        if (add == nullptr)
          for (int64_t i = 0; i < width; ++i) out[i] = f(in[i]);
        else
          for (int64_t i = 0; i < width; ++i) out[i] = f(in[i] + add[i]);
      }
    });
    set_rounded(c, 0, y, x.dtype);
  });
}

}  // namespace

void register_contrib_gelu(OpRegistry& r) {
  const auto exact = [](EvalCtx& c) { map_biased(c, [](auto x) { return exact_gelu(x); }); };
  const auto fast = [](EvalCtx& c) { map_biased(c, [](auto x) { return tanh_gelu(x); }); };
  const auto quick = [](EvalCtx& c) {
    const double alpha = static_cast<double>(c.attrs().f("alpha", 1.702f));
    map_biased(c, [alpha](auto x) {
      using T = decltype(x);
      return x / (T(1) + fast_exp(-static_cast<T>(alpha) * x));
    });
  };
  r.add({kMicrosoft, "BiasGelu", infer_like_first, exact});
  r.add({kMicrosoft, "FastGelu", infer_like_first, fast});
  r.add({kMicrosoft, "Gelu", infer_like_first, exact, Exactness::rounding, false, true});
  r.add({kMicrosoft, "QuickGelu", infer_like_first, quick, Exactness::rounding, false, true});
}

}  // namespace lathe
