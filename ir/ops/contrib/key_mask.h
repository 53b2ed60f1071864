// mask_index of Attention and key_padding_mask of MultiHeadAttention: int32, by key length, by key, or by
// query and key. A masked score gets `filter` added (a finite number: a row that is masked whole stays
// defined).
#pragma once
#include <algorithm>
#include <limits>

#include "ir/ops/nn/attention_inputs.h"
#include "ir/ops/tensor/args.h"

namespace lathe {

template <class T>
class KeyMask {
 public:
  // mask may be null. causal: a query sees keys up to its own place, `past` keys come first.
  KeyMask(const Tensor* mask, const AttentionSizes& n, bool causal, int64_t past, double filter)
      : n_(n), causal_(causal && n.queries > 1), past_(past), filter_(static_cast<T>(filter)) {
    if (mask == nullptr) return;
    values_ = read_ints(*mask);
    const std::vector<int64_t>& d = mask->dims;
    if (d.size() == 1 && (d[0] == n.batch || d[0] == 2 * n.batch)) {
      kind_ = Kind::ends;
    } else if (d.size() == 2 && d[0] == n.batch && d[1] == n.keys) {
      kind_ = Kind::keys;
    } else if (d.size() == 3 && d[0] == n.batch && d[1] == n.queries && d[2] == n.keys) {
      kind_ = Kind::pairs;
    } else {
      fail("a key mask of rank {} does not fit batch {}, {} queries and {} keys", mask->rank(), n.batch,
           n.queries, n.keys);
    }
  }

  bool active() const { return kind_ != Kind::none || causal_; }

  void operator()(const ScoreBlock<T>& s) const {
    for (int64_t r = 0; r < s.rows; ++r) {
      const int64_t query = s.first + r;
      T* row = s.scores + r * s.keys;
      const auto hide = [&](int64_t begin, int64_t end) {
        for (int64_t j = std::max<int64_t>(begin, 0); j < std::min(end, s.keys); ++j) row[j] += filter_;
      };
      if (kind_ == Kind::ends) {
        // The end of a batch entry's keys, then (where given) their beginning. A key outside of both counts
        // once.
        const bool starts = static_cast<int64_t>(values_.size()) == 2 * n_.batch;
        const int64_t end = std::max<int64_t>(0, values_[static_cast<size_t>(s.b)]);
        const int64_t start = starts ? values_[static_cast<size_t>(s.b + n_.batch)] : 0;
        hide(end, s.keys);
        hide(0, std::min(start, end));
      } else if (kind_ != Kind::none) {
        const int64_t at = kind_ == Kind::keys ? s.b * n_.keys : (s.b * n_.queries + query) * n_.keys;
        for (int64_t j = 0; j < s.keys; ++j)
          if (values_[static_cast<size_t>(at + j)] <= 0) row[j] += filter_;
      }
      if (causal_) hide_later(row, past_ + query + 1, s.keys);
    }
  }

 private:
  enum class Kind { none, ends, keys, pairs };
  void hide_later(T* row, int64_t begin, int64_t end) const {
    for (int64_t j = begin; j < end; ++j) row[j] += std::numeric_limits<T>::lowest();
  }

  AttentionSizes n_;
  bool causal_;
  int64_t past_;
  T filter_;
  Kind kind_ = Kind::none;
  std::vector<int64_t> values_;
};

}  // namespace lathe
