// What Scan reads: the elements of a tensor along an axis.
#pragma once
#include <vector>

#include "ir/ops/broadcast.h"
#include "ir/ops/tensor/strided.h"
#include "ir/ops/tensor/units.h"

namespace lathe {

class Elements {
 public:
  Elements(const Tensor& x, int64_t axis, bool reversed)
      : units_(x.dtype), x_(units_.enter(x)), reversed_(reversed) {
    axis_ = static_cast<size_t>(normalize_axis(axis, x.rank()));
    strides_ = row_major(x.dims);
    step_ = strides_[axis_];
    length_ = x.dims[axis_];
    dims_ = x.dims;
    dims_.erase(dims_.begin() + static_cast<std::ptrdiff_t>(axis_));
    strides_.erase(strides_.begin() + static_cast<std::ptrdiff_t>(axis_));
  }
  int64_t length() const { return length_; }
  Tensor get(int64_t k) const {
    Tensor y = Tensor::uninitialized(x_.dtype, dims_);
    copy_strided(x_.dtype, y.mutable_bytes().data(), x_.bytes().data(),
                 {dims_, row_major(dims_), strides_, 0, (reversed_ ? length_ - 1 - k : k) * step_});
    return units_.leave(std::move(y));
  }

 private:
  Units units_;
  Tensor x_;
  bool reversed_;
  size_t axis_ = 0;
  int64_t step_ = 0, length_ = 0;
  std::vector<int64_t> dims_, strides_;
};

}  // namespace lathe
