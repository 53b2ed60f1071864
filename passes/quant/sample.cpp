#include "passes/quant/sample.h"

#include <cstring>

namespace lathe {

std::vector<int64_t> sample_columns(int64_t n) {
  constexpr int64_t kSample = 64;
  std::vector<int64_t> at;
  if (n < 2 * kSample) return at;
  for (int64_t i = 0; i < kSample; ++i) at.push_back(i * (n - 1) / (kSample - 1));
  return at;
}

namespace {

template <class Word>
void pick(const std::byte* from, const std::vector<int64_t>& at, std::byte* to) {
  for (size_t i = 0; i < at.size(); ++i)
    std::memcpy(to + i * sizeof(Word), from + static_cast<size_t>(at[i]) * sizeof(Word), sizeof(Word));
}

}  // namespace

MatrixSample::MatrixSample(TensorPtr matrix, int axis, std::vector<int64_t> at)
    : matrix_(std::move(matrix)), axis_(axis), at_(std::move(at)) {
  std::vector<int64_t> dims = matrix_->dims;
  dims[static_cast<size_t>(axis_)] = static_cast<int64_t>(at_.size());
  const int bits = bit_width(matrix_->dtype);
  if (bits != 16 && bits != 32) fail("a sample of a matrix of {}", onnx_name(matrix_->dtype));
  tensor_ = Tensor::uninitialized(matrix_->dtype, std::move(dims));
}

void MatrixSample::read(int64_t first, int64_t last) {
  const auto unit = static_cast<size_t>(bit_width(matrix_->dtype) / 8);
  const size_t row = static_cast<size_t>(matrix_->dims[1]) * unit;
  const std::byte* from = matrix_->bytes().data();
  std::byte* to = tensor_.mutable_bytes().data();
  if (axis_ == 0) {
    for (size_t i = 0; i < at_.size(); ++i)
      if (at_[i] >= first && at_[i] < last)
        std::memcpy(to + i * row, from + static_cast<size_t>(at_[i]) * row, row);
  } else {
    for (int64_t r = first; r < last; ++r) {
      const std::byte* values = from + static_cast<size_t>(r) * row;
      std::byte* picked = to + static_cast<size_t>(r) * at_.size() * unit;
      unit == 4 ? pick<uint32_t>(values, at_, picked) : pick<uint16_t>(values, at_, picked);
    }
  }
  rows_ += last - first;
}

}  // namespace lathe
