// The windows of an image as columns of a matrix (im2col, Chellapilla et al. 2006), made panel by panel while
// the product runs: the matrix itself is never stored.
#pragma once
#include "ir/ops/nn/window.h"

namespace lathe {

// Row c * taps + t of the matrix: channel c under tap t; column: an output pixel. A ColumnSource
// (gemm_kernel.h).
template <class T>
class WindowColumns {
 public:
  // in: channels x in_pixels.
  WindowColumns(const Window& w, const T* in);
  void operator()(int64_t k0, int64_t k, int64_t n0, int64_t n, int64_t width, T* panels) const;

 private:
  // Output pixels of one output row within one panel.
  struct Piece {
    int64_t row, x, count;
    int64_t panel, column;
  };
  std::vector<Piece> pieces(int64_t n0, int64_t n, int64_t width) const;
  // First input element under a tap's outer dims in output row `row`; -1: outside of the image.
  int64_t base(int64_t tap, int64_t row) const;

  Window w_;
  const T* in_;
  int64_t taps_, area_;
};

}  // namespace lathe
