// Col2Im: sums overlapping blocks back into an image. MaxUnpool: puts maxima back where MaxPool found them.
#include "ir/base/work_vector.h"
#include "ir/ops/call_op.h"
#include "ir/ops/complex_types.h"
#include "ir/ops/convert.h"
#include "ir/ops/elementwise.h"
#include "ir/ops/int_math.h"
#include "ir/ops/nn/window.h"
#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"
#include "ir/ops/tensor/units.h"

namespace lathe {
namespace {

void eval_col2im(EvalCtx& c) {
  const Tensor& x = c.in(0);
  if (x.dtype == DType::Bool) {  // the sum of bools is true where any is
    const Tensor sums = std::get<Tensor>(
        call_op(c, "", "Col2Im", c.attrs(), {convert(x, DType::I32), c.in(1), c.in(2)}).at(0).value);
    return c.set(0, convert(sums, DType::Bool));
  }
  const Dims image = read_ints(c.in(1)), block = read_ints(c.in(2));
  if (x.rank() != 3) fail("the input must be [N, C * block, L], it has rank {}", x.rank());
  if (image.empty() || block.size() != image.size())
    fail("image_shape has {} dims, block_shape {}", image.size(), block.size());
  const Window w = make_window(c.attrs(), block, image, false);
  const int64_t taps = w.taps(), blocks = w.out_pixels(), area = w.in_pixels();
  if (x.dims[1] % taps != 0) fail("{} rows do not split in blocks of {}", x.dims[1], taps);
  if (x.dims[2] != blocks) fail("the input has {} blocks, {} fit into the image", x.dims[2], blocks);
  const int64_t channels = x.dims[1] / taps, planes = checked_mul(x.dims[0], channels), row = w.out.back();
  Dims dims{x.dims[0], channels};
  dims.insert(dims.end(), image.begin(), image.end());
  Tensor& y = c.out(0, x.dtype, dims);
  const int64_t stride = w.strides.back();
  dispatch<Concat<Numbers, Complex>>(x.dtype, [&]<class T>() {
    using C = Compute<T>;
    const T* in = x.data<T>().data();
    T* out = y.mutable_data<T>().data();
    parallel_for(planes, 1, [&](int64_t begin, int64_t end) {
      WorkVector<C> sum(static_cast<size_t>(area));
      for (int64_t p = begin; p < end; ++p) {
        std::fill(sum.begin(), sum.end(), C(0));
        for (int64_t r = 0; r < w.out_rows(); ++r)
          for_each_tap(w, r, [&](int64_t tap, int64_t base, int64_t lo, int64_t hi) {
            const T* from = in + (p * taps + tap) * blocks + r * row;
            for (int64_t o = lo; o < hi; ++o) {
              C& to = sum[static_cast<size_t>(base + o * stride)];
              to = wrap_add(to, load_element(from[o]));
            }
          });
        for (int64_t i = 0; i < area; ++i) out[p * area + i] = static_cast<T>(sum[static_cast<size_t>(i)]);
      }
    });
  });
}

void infer_col2im(InferCtx& c) {
  const Shape* x = c.shape(0);
  const auto image = c.value(1);
  const auto block = known_ints(c, 2);
  if (!image) return c.out(0, c.dtype(0));
  Shape out{x != nullptr && x->size() == 3 ? (*x)[0] : Dim::unknown(), Dim::unknown()};
  if (x != nullptr && x->size() == 3 && block) {
    Dim taps = 1;
    for (const int64_t b : *block) taps = taps * Dim(b);
    if (!taps.is_const(0)) out[1] = Dim::floor_div((*x)[1], taps);
  }
  out.insert(out.end(), image->begin(), image->end());
  c.out(0, c.dtype(0), std::move(out));
}

// ---------------------------------------------------------------- MaxUnpool

// Spatial sizes that the pooled tensor had, per the attributes.
template <class D>
std::vector<D> unpooled(const Attrs& attrs, const std::vector<D>& in) {
  const size_t n = in.size();
  const auto list = [&](const char* name, size_t size, int64_t otherwise) {
    auto v = attrs.ints(name);
    if (v.empty()) v.assign(size, otherwise);
    if (v.size() != size) fail("{} has {} entries, {} are needed", name, v.size(), size);
    for (const int64_t e : v)
      if (e < 0 || e > (int64_t{1} << 32)) fail("{} has the value {}", name, e);
    return v;
  };
  const auto kernel = list("kernel_shape", n, 1), strides = list("strides", n, 1),
             pads = list("pads", 2 * n, 0);
  std::vector<D> out;
  for (size_t d = 0; d < n; ++d)
    out.push_back((in[d] - D(1)) * D(strides[d]) - D(pads[d] + pads[n + d]) + D(kernel[d]));
  return out;
}

void eval_max_unpool(EvalCtx& c) {
  const Tensor &x = c.in(0), &index = c.in(1, DType::I64);
  if (x.rank() < 3) fail("x has rank {}, at least 3 is needed", x.rank());
  if (index.dims != x.dims) fail("x and the indices differ in shape");
  for (const int64_t d : x.dims)
    if (d > (int64_t{1} << 24)) fail("x has a dim of {}", d);
  // Indices count in the tensor that was pooled; output_shape may ask for a larger one around it.
  Dims pooled{x.dims[0], x.dims[1]};
  const Dims spatial = unpooled(c.attrs(), Dims(x.dims.begin() + 2, x.dims.end()));
  pooled.insert(pooled.end(), spatial.begin(), spatial.end());
  const Dims dims = c.has(2) ? read_ints(c.in(2)) : pooled;
  if (dims.size() != pooled.size()) fail("output_shape has {} entries, x has rank {}", dims.size(), x.rank());
  for (size_t d = 0; d < dims.size(); ++d)
    if (dims[d] < pooled[d]) fail("output_shape {} is less than {} in dim {}", dims[d], pooled[d], d);
  const int64_t total = element_count(pooled);
  const Dims strides = row_major_strides(dims);
  Tensor& y = c.out(0, x.dtype, dims);
  std::memset(y.mutable_bytes().data(), 0, y.byte_size());
  with_unit(x.dtype, [&]<class U>(U) {
    const U* from = units<U>(x);
    U* to = mutable_units<U>(y);
    const auto at = index.data<int64_t>();
    for (size_t i = 0; i < at.size(); ++i) {
      if (at[i] < 0 || at[i] >= total) fail("index {} is outside of 0..{}", at[i], total - 1);
      int64_t left = at[i], offset = 0;
      for (size_t d = dims.size(); d-- > 0;) {
        offset += left % pooled[d] * strides[d];
        left /= pooled[d];
      }
      to[offset] = from[i];
    }
  });
}

void infer_max_unpool(InferCtx& c) {
  if (const auto asked = c.value(2)) return c.out(0, c.dtype(0), asked);
  const Shape* x = c.shape(0);
  if (x == nullptr || x->size() < 3) return c.out(0, c.dtype(0));
  if (c.has(2)) return c.out(0, c.dtype(0), unknown_shape(static_cast<int64_t>(x->size())));
  const Shape spatial = unpooled(c.attrs(), Shape(x->begin() + 2, x->end()));
  Shape out{(*x)[0], (*x)[1]};
  out.insert(out.end(), spatial.begin(), spatial.end());
  c.out(0, c.dtype(0), std::move(out));
}

}  // namespace

void register_col2im(OpRegistry& r) {
  r.add({"", "Col2Im", infer_col2im, eval_col2im});
  r.add({"", "MaxUnpool", infer_max_unpool, eval_max_unpool, Exactness::bitwise});
}

}  // namespace lathe
