// ConvTranspose: the weights, transposed, times the input give columns, which add up into the output's
// windows.
#include "ir/base/work_vector.h"
#include "ir/ops/convert.h"
#include "ir/ops/elementwise.h"
#include "ir/ops/math/gemm_kernel.h"
#include "ir/ops/nn/window.h"
#include "ir/ops/op_def.h"

namespace lathe {

Window make_transposed_window(const Attrs& attrs, const Dims& kernel, const Dims& in) {
  const size_t rank = in.size();
  const auto list = [&](const char* name, size_t n, int64_t otherwise, int64_t least) {
    Dims v = attrs.ints(name);
    if (v.empty()) v.assign(n, otherwise);
    if (v.size() != n) fail("{} has {} entries, {} are needed", name, v.size(), n);
    for (const int64_t x : v)
      if (x < least || x > int64_t{1} << 31) fail("{} has the value {}", name, x);
    return v;
  };
  Window w;
  w.kernel = kernel;
  w.strides = list("strides", rank, 1, 1);
  w.dilations = list("dilations", rank, 1, 1);
  const Dims extra = list("output_padding", rank, 0, 0), pads = list("pads", 2 * rank, 0, 0);
  const Dims wanted = attrs.ints("output_shape");
  if (!wanted.empty() && wanted.size() != rank)
    fail("output_shape has {} entries, {} are needed", wanted.size(), rank);
  const std::string how = attrs.s("auto_pad", "NOTSET");
  for (size_t d = 0; d < rank; ++d) {
    if (kernel[d] < 1) fail("the kernel has size {}", kernel[d]);
    const int64_t reach = checked_add(checked_mul(kernel[d] - 1, w.dilations[d]), 1);
    const int64_t full = checked_add(checked_add(checked_mul(w.strides[d], in[d] - 1), extra[d]), reach);
    const bool same = how.starts_with("SAME_");
    int64_t begin = how == "VALID" ? 0 : pads[d], end = how == "VALID" ? 0 : pads[rank + d];
    int64_t out = full - begin - end;
    if (same || !wanted.empty()) {
      out = wanted.empty() ? checked_mul(in[d], w.strides[d]) : wanted[d];
      const int64_t total = std::max<int64_t>(0, full - out), less = total / 2;
      begin = how == "SAME_UPPER" ? less : total - less;
      end = total - begin;
    }
    if (out < 0) fail("output size {}", out);
    w.in.push_back(out);
    w.begin.push_back(begin);
    w.end.push_back(end);
    w.out.push_back(in[d]);
  }
  return w;
}

namespace {

template <class T>
void run(const Window& w, const Tensor& x, const Tensor& weights, const Tensor* bias, int64_t group,
         Tensor& y) {
  const int64_t batch = x.dims[0], channels = x.dims[1] / group, features = weights.dims[1];
  const int64_t taps = w.taps(), pixels = w.out_pixels(), area = w.in_pixels();
  T* out = y.mutable_data<T>().data();
  for (int64_t i = 0; i < batch * features * group; ++i)
    std::fill_n(out + i * area, area,
                bias != nullptr ? bias->data<T>()[static_cast<size_t>(i % (features * group))] : T{0});
  if (pixels == 0 || channels == 0 || area == 0) return;
  WorkVector<T> columns(static_cast<size_t>(checked_mul(checked_mul(features, taps), pixels)));
  Gemm<T> g;
  g.trans_a = true;
  g.m = features * taps;
  g.n = pixels;
  g.k = channels;
  g.lda = g.m;
  g.ldb = pixels;
  g.ldc = pixels;
  const int64_t width = w.out.back(), rows = w.out_rows(), stride = w.strides.back();
  for (int64_t i = 0; i < batch * group; ++i) {
    const T* in = x.data<T>().data() + i * channels * pixels;
    gemm_batch(g, weights.data<T>().data() + i % group * channels * features * taps, in, columns.data(),
               {GemmOffsets{}});
    parallel_for(features, 1, [&](int64_t begin, int64_t end) {
      for (int64_t f = begin; f < end; ++f) {
        T* plane = out + (i * features + f) * area;
        for (int64_t r = 0; r < rows; ++r) {
          for_each_tap(w, r, [&](int64_t tap, int64_t base, int64_t lo, int64_t hi) {
            const T* from = columns.data() + (f * taps + tap) * pixels + r * width;
            for (int64_t o = lo; o < hi; ++o) plane[base + o * stride] += from[o];
          });
        }
      }
    });
  }
}

void eval_conv_transpose(EvalCtx& c) {
  const Tensor &x = c.in(0), &w = c.in(1, x.dtype);
  const int64_t group = c.attrs().i("group", 1);
  if (x.rank() < 3 || w.rank() != x.rank()) fail("x has rank {} and w rank {}", x.rank(), w.rank());
  if (group < 1 || x.dims[1] % group != 0) fail("{} channels do not divide into {} groups", x.dims[1], group);
  if (w.dims[0] != x.dims[1]) fail("w has {} channels, x has {}", w.dims[0], x.dims[1]);
  const int64_t features = checked_mul(w.dims[1], group);
  if (c.has(2) && (c.in(2, x.dtype).rank() != 1 || c.in(2).count() != features))
    fail("the bias must hold one value for each of {} features", features);
  const Window window = make_transposed_window(c.attrs(), Dims(w.dims.begin() + 2, w.dims.end()),
                                               Dims(x.dims.begin() + 2, x.dims.end()));
  Dims dims{x.dims[0], features};
  dims.insert(dims.end(), window.in.begin(), window.in.end());
  const DType wide = x.dtype == DType::F64 ? DType::F64 : DType::F32;
  Tensor& y = c.out(0, wide, dims);
  const Tensor wide_x = convert(x, wide), wide_w = convert(w, wide),
               bias = c.has(2) ? convert(c.in(2), wide) : Tensor();
  dispatch<WideFloats>(
      wide, [&]<class T>() { run<T>(window, wide_x, wide_w, c.has(2) ? &bias : nullptr, group, y); });
  if (wide != x.dtype) c.set(0, convert(y, x.dtype));
}

void infer_conv_transpose(InferCtx& c) {
  const Shape *x = c.shape(0), *w = c.shape(1);
  if (x == nullptr) return c.out(0, c.dtype(0));
  Shape out(x->size(), Dim::unknown());
  if (x->size() < 3) c.contradiction(fmt::format("x has rank {}", x->size()));
  out[0] = (*x)[0];
  if (w != nullptr && w->size() == x->size()) {
    out[1] = (*w)[1] * Dim(c.attrs().i("group", 1));
    const auto in = as_constants(Shape(x->begin() + 2, x->end())),
               kernel = as_constants(Shape(w->begin() + 2, w->end()));
    if (in && kernel) {
      const Window window = make_transposed_window(c.attrs(), *kernel, *in);
      for (size_t d = 0; d < in->size(); ++d) out[d + 2] = Dim(window.in[d]);
    }
  }
  c.out(0, c.dtype(0), std::move(out));
}

}  // namespace

void register_conv_transpose(OpRegistry& r) {
  r.add({.domain = "", .type = "ConvTranspose", .infer = infer_conv_transpose, .eval = eval_conv_transpose});
}

}  // namespace lathe
