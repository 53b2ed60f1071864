// Rows of the input are copied with their padding, elements that lie a stride apart side by side: then every
// tap of an output row reads a row, and the sums of some neighbouring outputs stay in registers over all
// taps.
#include "ir/ops/nn/depthwise.h"

#include <algorithm>
#include <span>

#include "ir/base/clones.h"
#include "ir/base/parallel.h"
#include "ir/base/work_vector.h"

namespace lathe {
namespace {

constexpr int64_t kLanes = 16;

struct Tap {
  int64_t from;  // of the copied rows; kLanes beyond the output's width can be read
  int64_t weight;
};

template <class T>
[[gnu::always_inline]] inline void add_taps(std::span<const Tap> taps, const T* rows, const T* weights, T* y,
                                            int64_t n) {
  for (int64_t o = 0; o < n; o += kLanes) {
    const int64_t width = std::min(kLanes, n - o);
    T sum[kLanes] = {};
    std::copy_n(y + o, width, sum);
    for (const Tap& tap : taps) {
      const T* from = rows + tap.from + o;
      const T weight = weights[tap.weight];
      for (int64_t i = 0; i < kLanes; ++i) sum[i] += weight * from[i];
    }
    std::copy_n(sum, width, y + o);
  }
}
LATHE_CLONES void add_row(std::span<const Tap> taps, const float* rows, const float* weights, float* y,
                          int64_t n) {
  add_taps(taps, rows, weights, y, n);
}
LATHE_CLONES void add_row(std::span<const Tap> taps, const double* rows, const double* weights, double* y,
                          int64_t n) {
  add_taps(taps, rows, weights, y, n);
}

// Where the copied rows of a channel are, and which of them each output row reads.
class Layout {
 public:
  explicit Layout(const Window& w) : w_(w), stride_(w.strides.back()) {
    const int64_t reach = (w.kernel.back() - 1) * w.dilations.back();
    phases_ = std::min(stride_, reach + 1);
    phase_ = checked_add(w.out.back(), reach / stride_ + kLanes);
    row_ = checked_mul(phase_, phases_);
    in_rows_ = span_count(w.in, 0, w.in.size() - 1);
    for (int64_t r = 0; r < w.out_rows(); ++r) {
      first_.push_back(taps_.size());
      add_taps_of(r);
    }
    first_.push_back(taps_.size());
  }

  size_t size() const { return static_cast<size_t>(checked_mul(row_, in_rows_)); }

  // `to` is zero outside of what this writes.
  template <class T>
  void copy(const T* x, T* to) const {
    const int64_t width = w_.in.back(), begin = w_.begin.back();
    for (int64_t r = 0; r < in_rows_; ++r, x += width, to += row_)
      for (int64_t phase = 0; phase < phases_; ++phase) {
        // Element o of a phase is column o * stride + phase - begin.
        const int64_t first = phase >= begin ? 0 : (begin - phase + stride_ - 1) / stride_;
        const int64_t column = first * stride_ + phase - begin;
        if (column >= width) continue;
        const int64_t count = std::min(phase_ - first, (width - 1 - column) / stride_ + 1);
        T* row = to + phase * phase_ + first;
        for (int64_t i = 0; i < count; ++i) row[i] = x[column + i * stride_];
      }
  }

  // y: one output plane.
  template <class T>
  void add(const T* rows, const T* weights, T* y) const {
    const int64_t width = w_.out.back();
    for (size_t r = 0; r + 1 < first_.size(); ++r)
      add_row({taps_.data() + first_[r], first_[r + 1] - first_[r]}, rows, weights,
              y + static_cast<int64_t>(r) * width, width);
  }

 private:
  // Of output row `row`: the outer spatial dims, flattened.
  void add_taps_of(int64_t row) {
    const int64_t width = w_.kernel.back(), lines = w_.taps() / width;
    for (int64_t line = 0; line < lines; ++line) {
      int64_t at = 0, step = 1, out = row, tap = line;
      bool inside = true;
      for (size_t d = w_.in.size() - 1; d-- > 0;) {
        const int64_t i =
            out % w_.out[d] * w_.strides[d] - w_.begin[d] + tap % w_.kernel[d] * w_.dilations[d];
        inside = inside && i >= 0 && i < w_.in[d];
        at += i * step;
        step *= w_.in[d];
        out /= w_.out[d];
        tap /= w_.kernel[d];
      }
      for (int64_t k = 0; inside && k < width; ++k) {
        const int64_t offset = k * w_.dilations.back();
        taps_.push_back({at * row_ + offset % stride_ * phase_ + offset / stride_, line * width + k});
      }
    }
  }

  const Window& w_;
  int64_t stride_, phases_ = 1, phase_ = 0, row_ = 0;  // phase_, row_: elements of one
  int64_t in_rows_ = 0;
  WorkVector<Tap> taps_;
  WorkVector<size_t> first_;  // tap, by output row
};

}  // namespace

template <class T>
void depthwise_conv(const Window& w, int64_t batch, int64_t channels, int64_t features, const T* x,
                    const T* weights, T* y) {
  const int64_t rows = w.out_rows(), width = w.out.back(), each = features / channels;
  const int64_t work = checked_mul(checked_mul(rows, width), checked_mul(w.taps(), each));
  const int64_t grain = std::max<int64_t>(1, 16 * kGrain / std::max<int64_t>(1, work));
  const Layout layout(w);
  parallel_for(batch * channels, grain, [&](int64_t begin, int64_t end) {
    WorkVector<T> copied(layout.size());
    for (int64_t i = begin; i < end; ++i) {
      layout.copy(x + i * w.in_pixels(), copied.data());
      for (int64_t f = 0; f < each; ++f)
        layout.add(copied.data(), weights + (i % channels * each + f) * w.taps(),
                   y + (i * each + f) * rows * width);
    }
  });
}

template void depthwise_conv<float>(const Window&, int64_t, int64_t, int64_t, const float*, const float*,
                                    float*);
template void depthwise_conv<double>(const Window&, int64_t, int64_t, int64_t, const double*, const double*,
                                     double*);

}  // namespace lathe
