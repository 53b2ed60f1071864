// Sliding windows of convolution and pooling over any number of spatial dims.
#pragma once
#include "ir/ops/broadcast.h"
#include "ir/ops/infer_ctx.h"

namespace lathe {

struct Window {
  Dims in, kernel, strides, dilations, begin, end, out;  // by spatial dim; begin, end: padding

  int64_t out_rows() const { return span_count(out, 0, out.size() - 1); }
  int64_t out_pixels() const { return element_count(out); }
  int64_t in_pixels() const { return element_count(in); }
  int64_t taps() const { return element_count(kernel); }
};

// From a node's attributes (kernel_shape only where `kernel` is empty). Sizes that make no sense are input
// errors. ceil_mode: the output is rounded up, without windows that start beyond the input and its leading
// padding.
Window make_window(const Attrs& attrs, Dims kernel, Dims in, bool ceil_mode);

// Of ConvTranspose: the window of the convolution that takes its output (`in` there) back to its input of
// size `in` (`out` there).
Window make_transposed_window(const Attrs& attrs, const Dims& kernel, const Dims& in);

// Output sizes when some input sizes are symbols. An empty kernel is taken from kernel_shape.
Shape window_shape(InferCtx& c, Shape kernel, const Shape& in, bool ceil_mode);

// Calls f(tap, base, lo, hi) for each tap that touches the input in output row `row` (the outer spatial dims,
// flattened): output x in [lo, hi) reads input element base + x * stride of the last dim.
template <class F>
void for_each_tap(const Window& w, int64_t row, F&& f) {
  const size_t last = w.in.size() - 1;
  Dims origin(last), low(last), high(last), tap(last);  // of the outer dims
  for (size_t d = last; d-- > 0;) {
    origin[d] = row % w.out[d] * w.strides[d] - w.begin[d];
    row /= w.out[d];
    const int64_t step = w.dilations[d];
    low[d] = origin[d] >= 0 ? 0 : (-origin[d] + step - 1) / step;
    high[d] = origin[d] >= w.in[d] ? 0 : std::min(w.kernel[d], (w.in[d] - origin[d] + step - 1) / step);
    if (low[d] >= high[d]) return;
    tap[d] = low[d];
  }
  const int64_t stride = w.strides[last], step = w.dilations[last], width = w.in[last];
  if (width == 0) return;
  for (;;) {
    int64_t base = 0, index = 0;
    for (size_t d = 0; d < last; ++d) {
      base = base * w.in[d] + origin[d] + tap[d] * w.dilations[d];
      index = index * w.kernel[d] + tap[d];
    }
    // The last dim: taps whose offset can meet the input at all.
    const int64_t reach = (w.out[last] - 1) * stride - w.begin[last];
    const int64_t first = reach >= 0 ? 0 : (-reach + step - 1) / step;
    const int64_t end = std::min(w.kernel[last], (width - 1 + w.begin[last]) / step + 1);
    for (int64_t k = first; k < end; ++k) {
      const int64_t offset = k * step - w.begin[last];
      const int64_t lo = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
      const int64_t hi = std::min(w.out[last], (width - 1 - offset) / stride + 1);
      if (lo < hi) f(index * w.kernel[last] + k, base * width + offset, lo, hi);
    }
    size_t d = last;
    while (d-- > 0) {
      if (++tap[d] < high[d]) break;
      tap[d] = low[d];
    }
    if (d == static_cast<size_t>(-1)) return;
  }
}

}  // namespace lathe
