// numpy broadcasting and strided loops at run time. Strides count elements.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "ir/ops/eval_ctx.h"

namespace lathe {

using Dims = std::vector<int64_t>;

// Elements handled by one parallel chunk of a cheap element-wise loop.
inline constexpr int64_t kGrain = 1 << 14;

// The common shape; shapes that do not broadcast are an input error.
Dims broadcast_dims(std::span<const int64_t> a, std::span<const int64_t> b);
Dims row_major_strides(std::span<const int64_t> dims);
// Strides that read a row-major tensor of shape `in` as if it had shape `out` (0 where it is stretched). `in`
// must broadcast to `out`, else an input error.
Dims broadcast_strides(std::span<const int64_t> in, std::span<const int64_t> out);
// 0 <= axis < rank, else an input error.
int64_t normalize_axis(int64_t axis, int64_t rank);
// Product of dims [begin, end).
int64_t span_count(std::span<const int64_t> dims, size_t begin, size_t end);

// A loop nest over a row-major output with N operands read at given strides. Adjacent dims are merged where
// every operand allows it, so that contiguous operands give one long row.
template <size_t N>
class StridedLoop {
 public:
  using Offsets = std::array<int64_t, N>;

  StridedLoop(std::span<const int64_t> dims, const std::array<Dims, N>& strides) {
    count_ = element_count(dims);
    for (size_t d = 0; d < dims.size(); ++d) {
      if (dims[d] == 1) continue;
      Offsets s;
      for (size_t k = 0; k < N; ++k) s[k] = strides[k][d];
      bool merges = !dims_.empty();
      for (size_t k = 0; merges && k < N; ++k) merges = strides_.back()[k] == s[k] * dims[d];
      if (merges) {
        dims_.back() *= dims[d];
        strides_.back() = s;
      } else {
        dims_.push_back(dims[d]);
        strides_.push_back(s);
      }
    }
    if (dims_.empty()) {
      dims_.push_back(1);
      strides_.push_back(Offsets{});
    }
  }

  int64_t count() const { return count_; }
  const Offsets& inner() const { return strides_.back(); }  // step of each operand along a row
  int64_t row() const { return dims_.back(); }

  // Calls row(out_offset, operand_offsets, n) for the parts of rows that cover output elements [begin, end).
  template <class Row>
  void run(int64_t begin, int64_t end, Row&& row) const {
    if (begin >= end) return;
    const size_t rank = dims_.size();
    std::vector<int64_t> index(rank);
    Offsets at{};
    int64_t left = begin;
    for (size_t d = rank; d-- > 0;) {
      index[d] = left % dims_[d];
      left /= dims_[d];
      for (size_t k = 0; k < N; ++k) at[k] += index[d] * strides_[d][k];
    }
    for (int64_t pos = begin; pos < end;) {
      const int64_t n = std::min(dims_[rank - 1] - index[rank - 1], end - pos);
      row(pos, at, n);
      pos += n;
      index[rank - 1] += n;
      for (size_t k = 0; k < N; ++k) at[k] += n * strides_[rank - 1][k];
      for (size_t d = rank - 1; d > 0 && index[d] == dims_[d]; --d) {
        index[d] = 0;
        ++index[d - 1];
        for (size_t k = 0; k < N; ++k) at[k] += strides_[d - 1][k] - dims_[d] * strides_[d][k];
      }
    }
  }

 private:
  Dims dims_;
  std::vector<Offsets> strides_;
  int64_t count_ = 0;
};

}  // namespace lathe
