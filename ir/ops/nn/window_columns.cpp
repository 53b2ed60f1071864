#include "ir/ops/nn/window_columns.h"

#include <algorithm>
#include <cstring>

namespace lathe {
namespace {

// Output x in [lo, hi) reads input x * stride + offset.
template <class T>
void copy_row(const T* from, int64_t stride, int64_t offset, int64_t lo, int64_t hi, int64_t x, int64_t count,
              T* to) {
  const int64_t begin = std::clamp(lo - x, int64_t{0}, count), end = std::clamp(hi - x, begin, count);
  for (int64_t i = 0; i < begin; ++i) to[i] = T{0};
  from += x * stride + offset;
  if (stride == 1)
    for (int64_t i = begin; i < end; ++i) to[i] = from[i];
  else
    for (int64_t i = begin; i < end; ++i) to[i] = from[i * stride];
  for (int64_t i = end; i < count; ++i) to[i] = T{0};
}

}  // namespace

template <class T>
WindowColumns<T>::WindowColumns(const Window& w, const T* in)
    : w_(w), in_(in), taps_(w.taps()), area_(w.in_pixels()) {}

template <class T>
auto WindowColumns<T>::pieces(int64_t n0, int64_t n, int64_t width) const -> std::vector<Piece> {
  std::vector<Piece> list;
  const int64_t out = w_.out.back();
  for (int64_t j = 0; j < n;) {
    const int64_t row = (n0 + j) / out, x = (n0 + j) % out, column = j % width;
    const int64_t count = std::min({out - x, width - column, n - j});
    list.push_back({row, x, count, j / width, column});
    j += count;
  }
  return list;
}

template <class T>
int64_t WindowColumns<T>::base(int64_t tap, int64_t row) const {
  int64_t at = 0, step = w_.in.back();
  tap /= w_.kernel.back();
  for (size_t d = w_.in.size() - 1; d-- > 0;) {
    const int64_t i = row % w_.out[d] * w_.strides[d] - w_.begin[d] + tap % w_.kernel[d] * w_.dilations[d];
    if (i < 0 || i >= w_.in[d]) return -1;
    at += i * step;
    step *= w_.in[d];
    row /= w_.out[d];
    tap /= w_.kernel[d];
  }
  return at;
}

template <class T>
void WindowColumns<T>::operator()(int64_t k0, int64_t k, int64_t n0, int64_t n, int64_t width,
                                  T* panels) const {
  const std::vector<Piece> parts = pieces(n0, n, width);
  if (n % width != 0) std::fill_n(panels + n / width * k * width, k * width, T{0});
  const int64_t stride = w_.strides.back(), in = w_.in.back();
  for (int64_t tap = 0; tap < taps_; ++tap) {
    const int64_t first = k0 + (tap - k0 % taps_ + taps_) % taps_;
    if (first >= k0 + k) continue;
    const int64_t offset = tap % w_.kernel.back() * w_.dilations.back() - w_.begin.back();
    const int64_t lo = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
    const int64_t hi = offset >= in ? 0 : std::min(w_.out.back(), (in - 1 - offset) / stride + 1);
    for (const Piece& piece : parts) {
      const int64_t start = base(tap, piece.row);
      const T* from = in_ + first / taps_ * area_ + std::max<int64_t>(start, 0);
      T* to = panels + piece.panel * k * width + (first - k0) * width + piece.column;
      for (int64_t p = first; p < k0 + k; p += taps_, from += area_, to += taps_ * width)
        copy_row(from, stride, offset, start < 0 ? 0 : lo, start < 0 ? 0 : hi, piece.x, piece.count, to);
    }
  }
}

template class WindowColumns<float>;
template class WindowColumns<double>;

}  // namespace lathe
