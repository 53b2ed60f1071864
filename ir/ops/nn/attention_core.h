// Scaled dot-product attention over heads at any strides, for ai.onnx Attention and its com.microsoft
// relatives. Vaswani et al., "Attention Is All You Need", section 3.2; grouped heads: Ainslie et al., "GQA".
#pragma once
#include <cstdint>
#include <functional>

#include "ir/core/tensor.h"

namespace lathe {

struct AttentionSizes {
  int64_t batch = 0, heads = 0, kv_heads = 0;  // heads is a multiple of kv_heads
  int64_t queries = 0, keys = 0;
  int64_t size = 0, v_size = 0;  // of one head
};

// [batch, heads, rows, size], the last axis contiguous; strides in elements.
template <class T>
struct Heads {
  T* data = nullptr;
  int64_t batch = 0, head = 0, row = 0;

  T* at(int64_t b, int64_t h) const { return data + b * batch + h * head; }
};
template <class T>
Heads<T> packed_heads(T* data, int64_t heads, int64_t rows, int64_t size) {  // [B, N, S, H]
  return {data, heads * rows * size, rows * size, size};
}
template <class T>
Heads<T> interleaved_heads(T* data, int64_t rows, int64_t size,
                           int64_t width) {  // [B, S, width], head h at h * size
  return {data, rows * width, size, width};
}

// Query rows [first, first + rows) of one head: scores[rows, keys].
template <class T>
struct ScoreBlock {
  int64_t b, h, first, rows, keys;
  T* scores;
};

template <class T>
struct AttentionOptions {
  double scale = 1;
  double softcap = 0;                              // 0: none; otherwise s -> softcap * tanh(s / softcap)
  std::function<void(const ScoreBlock<T>&)> mask;  // adds biases and masks (-inf: never attended)
  const T* sinks = nullptr;  // by head: a further logit that takes part in the sum alone
  bool smooth = false;       // a further logit of 0 ("softmax plus one")
  // Sees the scores: scaled, capped, masked, then as probabilities.
  enum Stage { scaled, capped, masked, probabilities };
  std::function<void(Stage, const ScoreBlock<T>&)> look;
};

// out = softmax(scale q k^T + mask) v. A row in which every key is masked by -inf gives zeros. T is float or
// double.
template <class T>
void attend(const AttentionSizes& n, Heads<const T> q, Heads<const T> k, Heads<const T> v, Heads<T> out,
            const AttentionOptions<T>& options);

}  // namespace lathe
