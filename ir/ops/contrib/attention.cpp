// Attention (com.microsoft): projection to Q, K and V, then self-attention.
#include <cmath>

#include "ir/ops/contrib/key_mask.h"
#include "ir/ops/contrib/shapes.h"
#include "ir/ops/math/gemm_kept.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

enum Input { kInput, kWeights, kBias, kMask, kPast, kAttentionBias };

void infer_attention(InferCtx& c) {
  const Shape *x = c.shape(kInput), *w = c.shape(kWeights);
  const auto sizes = c.attrs().ints("qkv_hidden_sizes");
  if (x == nullptr || x->size() != 3) return c.out(0, c.dtype(0), unknown_shape(3));
  const Dim out = sizes.size() == 3                ? Dim(sizes[2])
                  : w != nullptr && w->size() == 2 ? Dim::floor_div((*w)[1], 3)
                                                   : Dim::unknown();
  c.out(0, c.dtype(0), Shape{(*x)[0], (*x)[1], out});
  const int64_t heads = c.attrs().i("num_heads", 0);
  if (heads < 1) c.contradiction("num_heads is missing");
  const Shape* past = c.shape(kPast);
  const Dim keys = !c.has(kPast)                          ? (*x)[1]
                   : past != nullptr && past->size() == 5 ? (*past)[3] + (*x)[1]
                                                          : Dim::unknown();
  c.out(1, c.dtype(0), Shape{2, (*x)[0], heads, keys, Dim::floor_div(out, heads)});
}

struct Widths {
  int64_t q = 0, k = 0, v = 0;
};

Widths widths_of(const Attrs& attrs, int64_t total, int64_t heads) {
  const auto sizes = attrs.ints("qkv_hidden_sizes");
  Widths w;
  if (sizes.size() == 3)
    w = {sizes[0], sizes[1], sizes[2]};
  else if (sizes.empty() && total % 3 == 0)
    w = {total / 3, total / 3, total / 3};
  else
    fail("{} weights do not split in Q, K and V", total);
  const auto fits = [&](int64_t n) { return n > 0 && n <= total && n % heads == 0; };
  if (!fits(w.q) || w.q != w.k || !fits(w.v) || w.q + w.k + w.v != total)
    fail("Q, K and V of {}, {} and {} do not fit {} weights in {} heads", w.q, w.k, w.v, total, heads);
  return w;
}

template <class T>
void run(EvalCtx& c) {
  const DType t = dtype_of<T>;
  const Tensor &x = c.in(kInput), &weights = c.raw(kWeights);
  const Tensor *bias = c.maybe(kBias), *past = c.maybe(kPast), *extra = c.maybe(kAttentionBias);
  if (x.rank() != 3 || weights.rank() != 2 || weights.dims[0] != x.dims[2])
    fail("input and weights do not fit");
  if (c.attrs().i("do_rotary", 0) != 0 || c.attrs().i("past_present_share_buffer", 0) != 0)
    fail("rotary embedding and shared buffers are not supported here");
  const int64_t batch = x.dims[0], length = x.dims[1], total = weights.dims[1],
                heads = c.attrs().i("num_heads", 0);
  if (heads < 1) fail("num_heads is {}", heads);
  const Widths w = widths_of(c.attrs(), total, heads);
  if (bias != nullptr && bias->count() != total) fail("a bias of {} for {} weights", bias->count(), total);

  // [B, S, Q K V]: heads are read in place.
  Tensor qkv = Tensor::uninitialized(t, {batch, length, total});
  T* p = qkv.mutable_data<T>().data();
  if (bias != nullptr) {
    const Tensor wb = convert(*bias, t);
    for (int64_t r = 0; r < batch * length; ++r) std::copy_n(wb.data<T>().data(), total, p + r * total);
  }
  const Tensor wx = convert(x, t);
  const T keep = bias != nullptr ? 1 : 0;
  gemm_kept(Gemm<T>{false, false, batch * length, total, x.dims[2], 1, keep, x.dims[2], total, total},
            wx.data<T>().data(), weights, p);
  AttentionSizes n{batch, heads, heads, length, length, w.q / heads, w.v / heads};
  const auto q = interleaved_heads<const T>(p, length, n.size, total);
  auto k = interleaved_heads<const T>(p + w.q, length, n.size, total),
       v = interleaved_heads<const T>(p + w.q + w.k, length, n.v_size, total);

  // Past and present: [2, B, N, T, H].
  Tensor keys, values;
  int64_t before = 0;
  if (past != nullptr || c.wants(1)) {
    if (n.size != n.v_size) fail("a cache needs heads of one size");
    Tensor past_k, past_v;
    if (past != nullptr) {
      if (past->rank() != 5 || past->dims[0] != 2 || past->dims[1] != batch || past->dims[2] != heads ||
          past->dims[4] != n.size)
        fail("past does not fit batch {}, {} heads of size {}", batch, heads, n.size);
      before = past->dims[3];
      const Tensor all = convert(*past, t);
      const std::vector<int64_t> half = {batch, heads, before, n.size};
      const size_t bytes = all.byte_size() / 2;
      past_k = Tensor::view(t, half, all.bytes().first(bytes), all.keep());
      past_v = Tensor::view(t, half, all.bytes().subspan(bytes), all.keep());
    }
    keys = extend_cache<T>(past != nullptr ? &past_k : nullptr, k, batch, heads, length, n.size);
    values = extend_cache<T>(past != nullptr ? &past_v : nullptr, v, batch, heads, length, n.size);
    n.keys = before + length;
    k = packed_heads<const T>(keys.data<T>().data(), heads, n.keys, n.size);
    v = packed_heads<const T>(values.data<T>().data(), heads, n.keys, n.size);
    if (c.wants(1)) {
      Tensor present = Tensor::uninitialized(t, {2, batch, heads, n.keys, n.size});
      auto to = present.mutable_bytes();
      if (!to.empty()) {
        std::memcpy(to.data(), keys.bytes().data(), keys.byte_size());
        std::memcpy(to.data() + keys.byte_size(), values.bytes().data(), values.byte_size());
      }
      set_rounded(c, 1, present, x.dtype);
    }
  }

  AttentionOptions<T> o;
  const double scale = static_cast<double>(c.attrs().f("scale", 0));
  o.scale = scale != 0 ? scale : 1 / std::sqrt(static_cast<double>(n.size));
  const KeyMask<T> mask(c.maybe(kMask), n, c.attrs().i("unidirectional", 0) != 0, before,
                        static_cast<double>(c.attrs().f("mask_filter_value", -10000.0f)));
  std::optional<BroadcastMask<T>> added;
  if (extra != nullptr) added.emplace(*extra, n);
  if (added || mask.active()) {
    o.mask = [&](const ScoreBlock<T>& s) {
      if (added) (*added)(s);
      mask(s);
    };
  }
  Tensor y = Tensor::uninitialized(t, {batch, length, w.v});
  attend<T>(n, q, k, v, interleaved_heads<T>(y.mutable_data<T>().data(), length, n.v_size, w.v), o);
  set_rounded(c, 0, y, x.dtype);
}

void eval_attention(EvalCtx& c) {
  with_float(float_compute_type({&c.in(kInput), &c.in(kWeights), c.maybe(kBias), c.maybe(kPast)}),
             [&]<class T>() { run<T>(c); });
}

}  // namespace

void register_contrib_attention(OpRegistry& r) {
  r.add({kMicrosoft, "Attention", infer_attention, eval_attention});
}

}  // namespace lathe
