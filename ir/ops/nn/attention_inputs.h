// What the attention ops share: widening to the type that is computed in, key and value caches, masks.
#pragma once
#include <limits>
#include <optional>
#include <vector>

#include "ir/ops/broadcast.h"
#include "ir/ops/convert.h"
#include "ir/ops/dispatch.h"
#include "ir/ops/eval_ctx.h"
#include "ir/ops/nn/attention_core.h"

namespace lathe {

// Halves are computed in float. F64 if any of them is.
inline DType float_compute_type(std::initializer_list<const Tensor*> tensors) {
  DType t = DType::F32;
  for (const Tensor* x : tensors) {
    if (x == nullptr) continue;
    if (!is_floating(x->dtype) || bit_width(x->dtype) < 16)
      fail("element type {} is not supported here", onnx_name(x->dtype));
    if (x->dtype == DType::F64) t = DType::F64;
  }
  return t;
}

template <class F>
void with_float(DType t, F&& f) {
  if (t == DType::F64)
    f.template operator()<double>();
  else
    f.template operator()<float>();
}

// Sets output i, rounded to the op's own type.
inline void set_rounded(EvalCtx& c, size_t i, const Tensor& t, DType dtype) {
  if (c.wants(i) || i == 0) c.set(i, convert(t, dtype));
}

// [batch, heads, past + rows, size] from a cache (may be null) and new rows at any strides.
template <class T>
Tensor extend_cache(const Tensor* past, Heads<const T> fresh, int64_t batch, int64_t heads, int64_t rows,
                    int64_t size) {
  const int64_t before = past != nullptr ? past->dims[2] : 0, total = checked_add(before, rows);
  Tensor out = Tensor::uninitialized(dtype_of<T>, {batch, heads, total, size});
  T* to = out.mutable_data<T>().data();
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t h = 0; h < heads; ++h) {
      if (before > 0)
        std::copy_n(past->data<T>().data() + (b * heads + h) * before * size, before * size, to);
      to += before * size;
      for (int64_t r = 0; r < rows; ++r, to += size) std::copy_n(fresh.at(b, h) + r * fresh.row, size, to);
    }
  return out;
}

// An additive or boolean mask that broadcasts to [batch, heads, queries, keys].
template <class T>
class BroadcastMask {
 public:
  // The last axis may be shorter than `keys`: what is beyond is masked.
  BroadcastMask(const Tensor& mask, const AttentionSizes& n) : keys_(n.keys) {
    if (mask.dims.empty() || mask.dims.size() > 4) fail("an attention mask of rank {}", mask.rank());
    covered_ = mask.dims.back() == 1 ? n.keys : mask.dims.back();
    if (covered_ > n.keys) fail("the attention mask covers {} keys of {}", covered_, n.keys);
    const Dims full = {n.batch, n.heads, n.queries, covered_};
    strides_ = broadcast_strides(mask.dims, full);
    if (mask.dtype == DType::Bool)
      allowed_ = mask;
    else
      bias_ = convert(mask, dtype_of<T>);
  }

  void operator()(const ScoreBlock<T>& s) const {
    const T* bias = bias_.defined() ? bias_.data<T>().data() : nullptr;
    const uint8_t* allowed = allowed_.defined() ? allowed_.data<uint8_t>().data() : nullptr;
    const T out = -std::numeric_limits<T>::infinity();
    for (int64_t r = 0; r < s.rows; ++r) {
      const int64_t at = s.b * strides_[0] + s.h * strides_[1] + (s.first + r) * strides_[2],
                    step = strides_[3];
      T* row = s.scores + r * s.keys;
      for (int64_t j = 0; j < covered_; ++j) {
        if (bias != nullptr)
          row[j] += bias[at + j * step];
        else if (allowed[at + j * step] == 0)
          row[j] = out;
      }
      for (int64_t j = covered_; j < keys_; ++j) row[j] = out;
    }
  }

 private:
  int64_t keys_, covered_ = 0;
  Dims strides_;
  Tensor bias_, allowed_;
};

}  // namespace lathe
