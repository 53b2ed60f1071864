#include "ir/ops/nn/attention_core.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "ir/base/parallel.h"
#include "ir/base/work_vector.h"
#include "ir/ops/fast_math.h"
#include "ir/ops/math/gemm_kernel.h"
#include "ir/ops/row_math.h"

namespace lathe {
namespace {

constexpr int64_t kBlockScores = 1 << 18;  // scores of one task: bounds its memory whatever the length

// exp(x - max), normalised.
template <class T>
void softmax_row(T* x, int64_t n, const T* extra) {
  T top = row_max(x, n);
  if (top == -std::numeric_limits<T>::infinity()) {
    std::fill_n(x, n, T{0});
    return;
  }
  if (extra != nullptr) top = std::max(top, *extra);
  for (int64_t i = 0; i < n; ++i) x[i] = fast_exp(x[i] - top);
  const T sum = row_sum(x, n) + (extra != nullptr ? fast_exp(*extra - top) : T{0}), by = 1 / sum;
  for (int64_t i = 0; i < n; ++i) x[i] *= by;
}

}  // namespace

template <class T>
void attend(const AttentionSizes& n, Heads<const T> q, Heads<const T> k, Heads<const T> v, Heads<T> out,
            const AttentionOptions<T>& o) {
  if (n.kv_heads < 1 || n.heads % n.kv_heads != 0) fail("{} heads over {} key heads", n.heads, n.kv_heads);
  if (n.batch == 0 || n.queries == 0) return;
  const int64_t rows = std::clamp<int64_t>(kBlockScores / std::max<int64_t>(n.keys, 1), 1, n.queries);
  const int64_t blocks = (n.queries + rows - 1) / rows, group = n.heads / n.kv_heads;
  const double work =
      static_cast<double>(rows) * static_cast<double>(n.keys) * static_cast<double>(n.size + n.v_size);
  const int64_t grain = work < 1e5 ? 8 : 1;
  parallel_for(n.batch * n.heads * blocks, grain, [&](int64_t begin, int64_t end) {
    WorkVector<T> scores(static_cast<size_t>(rows * n.keys));
    for (int64_t task = begin; task < end; ++task) {
      const int64_t first = task % blocks * rows, h = task / blocks % n.heads, b = task / blocks / n.heads;
      const ScoreBlock<T> block{b, h, first, std::min(rows, n.queries - first), n.keys, scores.data()};
      const auto show = [&](typename AttentionOptions<T>::Stage stage) {
        if (o.look) o.look(stage, block);
      };
      gemm_serial(
          Gemm<T>{false, true, block.rows, n.keys, n.size, static_cast<T>(o.scale), 0, q.row, k.row, n.keys},
          q.at(b, h) + first * q.row, k.at(b, h / group), scores.data());
      show(AttentionOptions<T>::scaled);
      const int64_t count = block.rows * n.keys;
      if (o.softcap != 0) {
        const auto cap = static_cast<T>(o.softcap);
        for (int64_t i = 0; i < count; ++i)
          scores[static_cast<size_t>(i)] = cap * std::tanh(scores[static_cast<size_t>(i)] / cap);
      }
      show(AttentionOptions<T>::capped);
      if (o.mask) o.mask(block);
      show(AttentionOptions<T>::masked);
      const T zero = 0;
      const T* extra = o.sinks != nullptr ? o.sinks + h : o.smooth ? &zero : nullptr;
      for (int64_t r = 0; r < block.rows; ++r) softmax_row(scores.data() + r * n.keys, n.keys, extra);
      show(AttentionOptions<T>::probabilities);
      gemm_serial(Gemm<T>{false, false, block.rows, n.v_size, n.keys, 1, 0, n.keys, v.row, out.row},
                  scores.data(), v.at(b, h / group), out.at(b, h) + first * out.row);
    }
  });
}

template void attend<float>(const AttentionSizes&, Heads<const float>, Heads<const float>, Heads<const float>,
                            Heads<float>, const AttentionOptions<float>&);
template void attend<double>(const AttentionSizes&, Heads<const double>, Heads<const double>,
                             Heads<const double>, Heads<double>, const AttentionOptions<double>&);

}  // namespace lathe
