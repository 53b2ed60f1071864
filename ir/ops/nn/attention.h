// Scaled dot-product attention on strided views, for Attention and its com.microsoft relatives.
#pragma once
#include <cstdint>
#include <functional>

#include "ir/core/tensor.h"

namespace lathe {

// A [batch, heads, rows, size] view of row-contiguous vectors; strides in elements.
struct HeadView {
  int64_t heads = 0, rows = 0, size = 0;
  int64_t batch_stride = 0, head_stride = 0, row_stride = 0;

  // dims [batch, heads, rows, size], or [batch, rows, heads * size] when heads is given.
  static HeadView of(const std::vector<int64_t>& dims, int64_t heads);
};

struct AttentionProblem {
  int64_t batch = 0;
  HeadView q, k, v, y;  // q.heads is a multiple of k.heads; y is like q with v's size
  double scale = 1, softcap = 0;
  // Added to the scaled scores [batch, q.heads, q.rows, k.rows] through these strides (0: stretched); of the
  // same type. Columns from mask_columns on count as minus infinity.
  const Tensor* mask = nullptr;
  int64_t mask_strides[3] = {0, 0, 0};
  int64_t mask_columns = 0;
  // Keys [first, last) that query row i of batch b may see at all; null: every key.
  std::function<void(int64_t b, int64_t i, int64_t& first, int64_t& last)> visible;
  // Where the scores go as they are after step 0 product, 1 softcap, 2 mask, 3 softmax; null: nowhere.
  Tensor* scores = nullptr;
  int64_t scores_step = 0;
};

// Floats or doubles, all of one type. A query that sees no key gives zeros.
void attention(const AttentionProblem& p, const Tensor& q, const Tensor& k, const Tensor& v, Tensor& y);

}  // namespace lathe
