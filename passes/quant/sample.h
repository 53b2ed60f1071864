// A quantized product is checked on some of its columns: a head of 49,152 costs the check 64.
#pragma once
#include <atomic>
#include <cstdint>
#include <vector>

#include "ir/core/model.h"

namespace lathe {

// At even distances, the first and the last among them; empty where all are few.
std::vector<int64_t> sample_columns(int64_t n);

// Rows or columns of a matrix of 2- or 4-byte elements, taken while something else reads it: its pages
// come into memory once.
class MatrixSample {
 public:
  MatrixSample(TensorPtr matrix, int axis, std::vector<int64_t> at);
  // Rows [first, last) of the matrix are in memory. From any thread, for disjoint rows.
  void read(int64_t first, int64_t last);
  bool complete() const { return rows_ == matrix_->dims[0]; }
  const Tensor& tensor() const { return tensor_; }

 private:
  TensorPtr matrix_;
  int axis_;
  std::vector<int64_t> at_;
  Tensor tensor_;
  std::atomic<int64_t> rows_ = 0;
};

}  // namespace lathe
