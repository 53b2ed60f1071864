// Reductions over one row in a fixed order of eight lanes (vectorizable, and the same bits on every machine),
// and rows of halves widened to float.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "ir/ops/elementwise.h"

namespace lathe {

// init + op over n elements of term(i); op must be associative up to rounding.
template <class C, class Term, class Op>
C row_reduce(int64_t n, C init, Term&& term, Op&& op) {
  constexpr int64_t kLanes = 8;
  C lanes[kLanes];
  for (auto& l : lanes) l = init;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int64_t j = 0; j < kLanes; ++j) lanes[j] = op(lanes[j], term(i + j));
  for (; i < n; ++i) lanes[i % kLanes] = op(lanes[i % kLanes], term(i));
  for (int64_t half = kLanes / 2; half > 0; half /= 2)
    for (int64_t j = 0; j < half; ++j) lanes[j] = op(lanes[j], lanes[j + half]);
  return lanes[0];
}

template <class C>
C row_sum(const C* x, int64_t n) {
  return row_reduce(n, C{0}, [x](int64_t i) { return x[i]; }, [](C a, C b) { return a + b; });
}
// NaN wins.
template <class C>
C row_max(const C* x, int64_t n) {
  return row_reduce(
      n, -std::numeric_limits<C>::infinity(), [x](int64_t i) { return x[i]; },
      [](C a, C b) { return a > b || a != a ? a : b; });
}

// Elements as the type to compute in: the row itself, or a widened copy that lasts until the next call.
template <class T>
class RowReader {
 public:
  const Compute<T>* read(const T* row, int64_t n) {
    if constexpr (!is_half<T>)
      return row;
    else {
      wide_.resize(static_cast<size_t>(n));
      for (int64_t i = 0; i < n; ++i) wide_[static_cast<size_t>(i)] = static_cast<float>(row[i]);
      return wide_.data();
    }
  }

 private:
  std::vector<Compute<T>> wide_;
};

// Rows for one parallel chunk, so that a chunk is worth its start.
inline int64_t rows_per_chunk(int64_t row) {
  return std::max<int64_t>(1, kGrain / 4 / std::max<int64_t>(row, 1));
}

}  // namespace lathe
