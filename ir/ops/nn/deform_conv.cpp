// DeformConv (Dai et al. 2017, Zhu et al. 2019): a convolution whose taps are moved by learned offsets and
// read (multi-)linearly, with zeros around the input.
#include <cmath>

#include "ir/base/parallel.h"
#include "ir/ops/convert.h"
#include "ir/ops/dispatch.h"
#include "ir/ops/math/matmul.h"
#include "ir/ops/nn/conv.h"
#include "ir/ops/nn/window.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

constexpr size_t kMaxDims = 8;

// The value at a point between pixels.
template <class T>
T read_between(const T* plane, const Dims& size, const double* at) {
  const size_t n = size.size();
  int64_t low[kMaxDims];
  double part[kMaxDims];
  for (size_t d = 0; d < n; ++d) {
    // Beyond this nothing is read; NaN too fails the comparison.
    if (!(at[d] > -1 && at[d] < static_cast<double>(size[d]))) return 0;
    const double base = std::floor(at[d]);
    low[d] = static_cast<int64_t>(base);
    part[d] = at[d] - base;
  }
  double sum = 0;
  for (unsigned corner = 0; corner < 1u << n; ++corner) {
    int64_t offset = 0;
    double weight = 1;
    bool inside = true;
    for (size_t d = 0; d < n; ++d) {
      const bool high = (corner >> d & 1) != 0;
      const int64_t i = low[d] + (high ? 1 : 0);
      inside = inside && i >= 0 && i < size[d];
      offset = offset * size[d] + i;
      weight *= high ? part[d] : 1 - part[d];
    }
    if (inside && weight != 0) sum += weight * static_cast<double>(plane[offset]);
  }
  return static_cast<T>(sum);
}

struct Problem {
  Window w;
  int64_t batch, channels, features, group, offset_group, taps, pixels;
};

Problem problem_of(EvalCtx& c) {
  const Tensor &x = c.in(0), &weight = c.in(1), &offset = c.in(2);
  if (x.rank() < 3 || weight.rank() != x.rank() || offset.rank() != x.rank())
    fail("x, w and offset must have one rank, 3 or more");
  if (x.rank() - 2 > static_cast<int>(kMaxDims)) fail("more than {} spatial dims", kMaxDims);
  Problem p{make_window(c.attrs(), Dims(weight.dims.begin() + 2, weight.dims.end()),
                        Dims(x.dims.begin() + 2, x.dims.end()), false),
            x.dims[0],
            x.dims[1],
            weight.dims[0],
            c.attrs().i("group", 1),
            c.attrs().i("offset_group", 1),
            0,
            0};
  if (p.group < 1 || p.channels != checked_mul(weight.dims[1], p.group) || p.features % p.group != 0)
    fail("{} channels and {} features do not fit w in {} groups", p.channels, p.features, p.group);
  if (p.offset_group < 1 || p.channels % p.offset_group != 0)
    fail("{} channels do not split in {} offset groups", p.channels, p.offset_group);
  p.taps = p.w.taps();
  p.pixels = p.w.out_pixels();
  const auto expect = [&](const Tensor& t, int64_t planes, const char* what) {
    Dims want{p.batch, planes};
    want.insert(want.end(), p.w.out.begin(), p.w.out.end());
    if (t.dims != want) fail("the shape of {} does not fit the output's", what);
  };
  const int64_t planes = checked_mul(p.offset_group, p.taps);
  expect(offset, checked_mul(planes, static_cast<int64_t>(p.w.in.size())), "offset");
  if (c.has(4)) expect(c.in(4), planes, "mask");
  if (c.has(3) && (c.in(3).rank() != 1 || c.in(3).dims[0] != p.features))
    fail("the bias must be [{}]", p.features);
  return p;
}

// Columns of one image: [channels x taps, pixels].
template <class T>
void gather_columns(const Problem& p, const T* image, const T* offset, const T* mask, T* columns) {
  const size_t n = p.w.in.size();
  const auto dims = static_cast<int64_t>(n);
  const int64_t area = p.w.in_pixels(), per_offset = p.channels / p.offset_group;
  parallel_for(p.channels * p.taps, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t channel = row / p.taps, tap = row % p.taps, plane = channel / per_offset * p.taps + tap;
      int64_t origin[kMaxDims];
      for (int64_t d = dims, left = tap; d-- > 0;) {
        const auto k = static_cast<size_t>(d);
        origin[k] = left % p.w.kernel[k] * p.w.dilations[k] - p.w.begin[k];
        left /= p.w.kernel[k];
      }
      for (int64_t pixel = 0; pixel < p.pixels; ++pixel) {
        double at[kMaxDims];
        for (int64_t d = dims, left = pixel; d-- > 0;) {
          const auto k = static_cast<size_t>(d);
          at[k] = static_cast<double>(origin[k] + left % p.w.out[k] * p.w.strides[k]) +
                  static_cast<double>(offset[(plane * dims + d) * p.pixels + pixel]);
          left /= p.w.out[k];
        }
        T v = read_between(image + channel * area, p.w.in, at);
        if (mask != nullptr) v *= mask[plane * p.pixels + pixel];
        columns[row * p.pixels + pixel] = v;
      }
    }
  });
}

void eval_deform_conv(EvalCtx& c) {
  const Problem p = problem_of(c);
  const DType dtype = c.in(0).dtype, work = dtype == DType::F64 ? DType::F64 : DType::F32;
  for (size_t i = 0; i < c.inputs(); ++i)
    if (c.has(i) && c.in(i).dtype != dtype)
      fail("element types {} and {} meet", onnx_name(dtype), onnx_name(c.in(i).dtype));
  const Tensor x = convert(c.in(0), work), weight = convert(c.in(1), work), offset = convert(c.in(2), work);
  const Tensor mask = c.has(4) ? convert(c.in(4), work) : Tensor(),
               bias = c.has(3) ? convert(c.in(3), work) : Tensor();
  Dims dims{p.batch, p.features};
  dims.insert(dims.end(), p.w.out.begin(), p.w.out.end());
  Tensor y = Tensor::uninitialized(work, dims);
  const int64_t inner = p.channels / p.group * p.taps;
  const Tensor w3 = weight.reshaped({p.group, p.features / p.group, inner});
  dispatch<WideFloats>(work, [&]<class T>() {
    Tensor columns = Tensor::uninitialized(work, {p.group, inner, p.pixels});
    for (int64_t b = 0; b < p.batch; ++b) {
      gather_columns(p, x.data<T>().data() + b * p.channels * p.w.in_pixels(),
                     offset.data<T>().data() + b * (offset.count() / p.batch),
                     mask.defined() ? mask.data<T>().data() + b * (mask.count() / p.batch) : nullptr,
                     columns.mutable_data<T>().data());
      const Tensor product = matmul(w3, columns);
      const T* from = product.data<T>().data();
      T* to = y.mutable_data<T>().data() + b * p.features * p.pixels;
      for (int64_t i = 0; i < p.features * p.pixels; ++i)
        to[i] = from[i] + (bias.defined() ? bias.data<T>()[static_cast<size_t>(i / p.pixels)] : T(0));
    }
  });
  c.set(0, convert(y, dtype));
}

}  // namespace

void register_deform_conv(OpRegistry& r) {
  r.add({"", "DeformConv", [](InferCtx& c) { infer_conv(c, 1, c.dtype(0)); }, eval_deform_conv});
}

}  // namespace lathe
