#include <cmath>
#include <limits>

#include "ir/ops/dispatch.h"
#include "ir/ops/fast_math.h"
#include "ir/ops/math/gemm_kernel.h"
#include "ir/ops/nn/attention.h"
#include "ir/ops/row_math.h"

namespace lathe {
namespace {

constexpr int64_t kTileRows = 128;  // query rows of one task

template <class C>
void softmax_in_place(C* x, int64_t n) {
  const C top = row_max(x, n);
  if (top == -std::numeric_limits<C>::infinity()) {
    std::fill(x, x + n, C{0});
    return;
  }
  for (int64_t i = 0; i < n; ++i) x[i] = fast_exp(x[i] - top);
  const C inverse = 1 / row_sum(x, n);
  for (int64_t i = 0; i < n; ++i) x[i] *= inverse;
}

template <class C>
class Tile {
 public:
  Tile(const AttentionProblem& p, int64_t b, int64_t h, int64_t first, int64_t rows)
      : p_(p), b_(b), h_(h), first_(first), rows_(rows), keys_(p.k.rows) {}

  void run(const C* q, const C* k, const C* v, C* y, const C* mask, C* s, C* out_scores) {
    const int64_t kv = h_ / (p_.q.heads / p_.k.heads);
    const C minus = -std::numeric_limits<C>::infinity();
    Gemm<C> g;
    g.trans_b = true;
    g.m = rows_;
    g.n = keys_;
    g.k = p_.q.size;
    g.alpha = static_cast<C>(p_.scale);
    g.lda = p_.q.row_stride;
    g.ldb = p_.k.row_stride;
    g.ldc = keys_;
    gemm_serial(g, q + at(p_.q, h_) + first_ * p_.q.row_stride, k + at(p_.k, kv), s);
    keep(0, s, out_scores);
    if (p_.softcap > 0) {
      const C cap = static_cast<C>(p_.softcap);
      for (int64_t i = 0; i < rows_ * keys_; ++i) s[i] = cap * fast_tanh(s[i] / cap);
    }
    keep(1, s, out_scores);
    for (int64_t i = 0; i < rows_; ++i) {
      C* row = s + i * keys_;
      if (mask != nullptr) {
        const C* m =
            mask + b_ * p_.mask_strides[0] + h_ * p_.mask_strides[1] + (first_ + i) * p_.mask_strides[2];
        for (int64_t j = 0; j < p_.mask_columns; ++j) row[j] += m[j];
        std::fill(row + p_.mask_columns, row + keys_, minus);
      }
      if (!p_.visible) continue;
      int64_t low = 0, high = keys_;
      p_.visible(b_, first_ + i, low, high);
      low = std::clamp<int64_t>(low, 0, keys_);
      high = std::clamp(high, low, keys_);
      std::fill(row, row + low, minus);
      std::fill(row + high, row + keys_, minus);
    }
    keep(2, s, out_scores);
    for (int64_t i = 0; i < rows_; ++i) softmax_in_place(s + i * keys_, keys_);
    keep(3, s, out_scores);
    Gemm<C> o;
    o.m = rows_;
    o.n = p_.v.size;
    o.k = keys_;
    o.lda = keys_;
    o.ldb = p_.v.row_stride;
    o.ldc = p_.y.row_stride;
    gemm_serial(o, s, v + at(p_.v, kv), y + at(p_.y, h_) + first_ * p_.y.row_stride);
  }

 private:
  int64_t at(const HeadView& v, int64_t head) const { return b_ * v.batch_stride + head * v.head_stride; }
  void keep(int64_t step, const C* s, C* out) const {
    if (out == nullptr || p_.scores_step != step) return;
    std::copy(s, s + rows_ * keys_, out + ((b_ * p_.q.heads + h_) * p_.q.rows + first_) * keys_);
  }

  const AttentionProblem& p_;
  int64_t b_, h_, first_, rows_, keys_;
};

}  // namespace

HeadView HeadView::of(const std::vector<int64_t>& dims, int64_t heads) {
  HeadView v;
  if (dims.size() == 4) {
    v = {dims[1], dims[2], dims[3], 0, 0, dims[3]};
    v.head_stride = checked_mul(v.rows, v.size);
    v.batch_stride = checked_mul(v.heads, v.head_stride);
  } else if (dims.size() == 3) {
    if (heads < 1 || dims[2] % heads != 0) fail("{} values do not divide into {} heads", dims[2], heads);
    v = {heads, dims[1], dims[2] / heads, checked_mul(dims[1], dims[2]), dims[2] / heads, dims[2]};
  } else {
    fail("rank {} is neither 3 nor 4", dims.size());
  }
  v.row_stride = std::max<int64_t>(v.row_stride, 1);
  return v;
}

void attention(const AttentionProblem& p, const Tensor& q, const Tensor& k, const Tensor& v, Tensor& y) {
  if (p.k.heads < 1 || p.q.heads % p.k.heads != 0 || p.v.heads != p.k.heads)
    fail("{} query heads, {} key heads, {} value heads", p.q.heads, p.k.heads, p.v.heads);
  if (p.q.size != p.k.size) fail("queries have {} values, keys {}", p.q.size, p.k.size);
  if (p.k.rows != p.v.rows) fail("{} keys, {} values", p.k.rows, p.v.rows);
  const int64_t tiles = (p.q.rows + kTileRows - 1) / kTileRows;
  if (y.count() == 0) return;
  dispatch<WideFloats>(q.dtype, [&]<class C>() {
    const C* mask = p.mask != nullptr ? p.mask->data<C>().data() : nullptr;
    C* scores = p.scores != nullptr ? p.scores->mutable_data<C>().data() : nullptr;
    parallel_for(p.batch * p.q.heads * tiles, 1, [&](int64_t begin, int64_t end) {
      std::vector<C> buffer(static_cast<size_t>(checked_mul(std::min(kTileRows, p.q.rows), p.k.rows)));
      for (int64_t t = begin; t < end; ++t) {
        const int64_t first = t % tiles * kTileRows, head = t / tiles;
        Tile<C> tile(p, head / p.q.heads, head % p.q.heads, first, std::min(kTileRows, p.q.rows - first));
        tile.run(q.data<C>().data(), k.data<C>().data(), v.data<C>().data(), y.mutable_data<C>().data(), mask,
                 buffer.data(), scores);
      }
    });
  });
}

}  // namespace lathe
