// Attention (ai.onnx, opset 23 and newer).
#include <algorithm>
#include <cmath>

#include "ir/ops/nn/attention_inputs.h"
#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"

namespace lathe {
namespace {

enum Input { Q, K, V, kMask, kPastKey, kPastValue, kValidKeys };

// ---------------------------------------------------------------- inference

struct View {  // [batch, heads, rows, size]
  Dim batch, heads, rows, size;
};

std::optional<View> view_of(const InferCtx& c, size_t input, int64_t heads) {
  const Shape* s = c.shape(input);
  if (s == nullptr) return std::nullopt;
  if (s->size() == 4) return View{(*s)[0], (*s)[1], (*s)[2], (*s)[3]};
  if (s->size() != 3) c.contradiction(fmt::format("input {} has rank {}", input, s->size()));
  if (heads < 1) c.contradiction("rank 3 needs q_num_heads and kv_num_heads");
  return View{(*s)[0], heads, (*s)[1], Dim::floor_div((*s)[2], heads)};
}

void infer_attention(InferCtx& c) {
  const int64_t q_heads = c.attrs().i("q_num_heads", 0), kv_heads = c.attrs().i("kv_num_heads", 0);
  const auto q = view_of(c, Q, q_heads), k = view_of(c, K, kv_heads), v = view_of(c, V, kv_heads);
  const DType dtype = c.dtype(Q);
  if (!q || !k || !v) {
    const Shape* s = c.shape(Q);
    c.out(0, dtype,
          s != nullptr ? std::optional(unknown_shape(static_cast<int64_t>(s->size()))) : std::nullopt);
    for (size_t i = 1; i < 4; ++i) c.out(i, i == 2 ? c.dtype(V) : dtype, unknown_shape(4));
    return;
  }
  const Shape* past = c.shape(kPastKey);
  const Dim keys = !c.has(kPastKey) ? k->rows : past != nullptr ? (*past)[2] + k->rows : Dim::unknown();
  c.out(0, dtype,
        c.rank(Q) == 3 ? Shape{q->batch, q->rows, q->heads * v->size}
                       : Shape{q->batch, q->heads, q->rows, v->size});
  c.out(1, dtype, Shape{q->batch, k->heads, keys, k->size});
  c.out(2, c.dtype(V), Shape{q->batch, v->heads, keys, v->size});
  c.out(3, dtype, Shape{q->batch, q->heads, q->rows, keys});
}

// ---------------------------------------------------------------- kernel

struct Layout {
  int64_t batch = 0, heads = 0, rows = 0, size = 0;
};

Layout layout_of(const Tensor& t, int64_t heads) {
  if (t.rank() == 4) return {t.dims[0], t.dims[1], t.dims[2], t.dims[3]};
  if (t.rank() != 3) fail("an input has rank {}, not 3 or 4", t.rank());
  if (heads < 1 || t.dims[2] % heads != 0) fail("{} features do not split in {} heads", t.dims[2], heads);
  return {t.dims[0], heads, t.dims[1], t.dims[2] / heads};
}

template <class T, class U>
Heads<T> heads_of(U& t, const Layout& l) {
  T* data = nullptr;
  if constexpr (std::is_const_v<T>)
    data = t.template data<std::remove_const_t<T>>().data();
  else
    data = t.template mutable_data<T>().data();
  return t.rank() == 4 ? packed_heads<T>(data, l.heads, l.rows, l.size)
                       : interleaved_heads<T>(data, l.rows, l.size, l.heads * l.size);
}

void check_cache(const Tensor& t, const Layout& l, const char* name) {
  if (t.rank() != 4 || t.dims[0] != l.batch || t.dims[1] != l.heads || t.dims[3] != l.size)
    fail("{} does not fit batch {}, {} heads of size {}", name, l.batch, l.heads, l.size);
}

// Positions that a query may not see: later ones (is_causal), those outside of its window, and padding.
struct Frontier {
  bool causal = false;
  int64_t left = -1, right = -1;
  std::vector<int64_t> offset;  // by batch entry: keys before the first query
  std::vector<int64_t> valid;   // by batch entry; empty: all

  bool active() const { return causal || left >= 0 || right >= 0 || !valid.empty(); }
  template <class T>
  void apply(const ScoreBlock<T>& s) const {
    const auto b = static_cast<size_t>(s.b);
    for (int64_t r = 0; r < s.rows; ++r) {
      const int64_t p = s.first + r + offset[b];
      int64_t begin = 0, end = s.keys;
      if (causal) end = std::min(end, p + 1);
      if (left >= 0) begin = std::max(begin, p - left);
      if (right >= 0 && right < s.keys) end = std::min(end, p + right + 1);
      if (!valid.empty()) end = std::min(end, valid[b]);
      begin = std::clamp<int64_t>(begin, 0, s.keys);
      end = std::clamp<int64_t>(end, begin, s.keys);
      T* row = s.scores + r * s.keys;
      std::fill(row, row + begin, -std::numeric_limits<T>::infinity());
      std::fill(row + end, row + s.keys, -std::numeric_limits<T>::infinity());
    }
  }
};

Frontier frontier_of(EvalCtx& c, int64_t batch, int64_t queries, int64_t keys) {
  Frontier f;
  f.causal = c.attrs().i("is_causal", 0) != 0;
  f.left = c.attrs().i("left_window_size", -1);
  f.right = c.attrs().i("right_window_size", -1);
  if (f.left < -1 || f.right < -1) fail("a window of {} and {}", f.left, f.right);
  int64_t offset = 0;
  if (const Tensor* past = c.maybe(kPastKey)) offset = past->dims[2];
  f.offset.assign(static_cast<size_t>(batch), offset);
  if (const Tensor* valid = c.maybe(kValidKeys)) {
    if (c.has(kPastKey)) fail("nonpad_kv_seqlen and past_key exclude each other");
    f.valid = read_ints(*valid);
    if (static_cast<int64_t>(f.valid.size()) != batch)
      fail("{} lengths for a batch of {}", f.valid.size(), batch);
    for (size_t b = 0; b < f.valid.size(); ++b) {
      if (f.valid[b] < 0 || f.valid[b] > keys) fail("{} valid keys of {}", f.valid[b], keys);
      f.offset[b] = f.valid[b] - queries;
    }
  }
  return f;
}

template <class T>
void run(EvalCtx& c, const Tensor& tq, const Tensor& tk, const Tensor& tv) {
  const Attrs& a = c.attrs();
  const int64_t kv_heads = a.i("kv_num_heads", 0);
  const Layout lq = layout_of(tq, a.i("q_num_heads", 0)), lk = layout_of(tk, kv_heads),
               lv = layout_of(tv, kv_heads);
  if (lq.batch != lk.batch || lq.batch != lv.batch || lk.heads != lv.heads || lk.rows != lv.rows ||
      lq.size != lk.size)
    fail("Q, K and V do not fit together");
  auto k = heads_of<const T>(tk, lk), v = heads_of<const T>(tv, lv);
  int64_t keys = lk.rows;
  Tensor key_cache, value_cache;
  if (c.has(kPastKey) != c.has(kPastValue)) fail("past_key and past_value belong together");
  if (c.has(kPastKey) || c.wants(1) || c.wants(2)) {
    Tensor past_k, past_v;
    if (c.has(kPastKey)) {
      check_cache(c.in(kPastKey), lk, "past_key");
      check_cache(c.in(kPastValue), lv, "past_value");
      if (c.in(kPastKey).dims[2] != c.in(kPastValue).dims[2])
        fail("past_key and past_value differ in length");
      past_k = convert(c.in(kPastKey), dtype_of<T>);
      past_v = convert(c.in(kPastValue), dtype_of<T>);
    }
    key_cache =
        extend_cache<T>(past_k.defined() ? &past_k : nullptr, k, lk.batch, lk.heads, lk.rows, lk.size);
    value_cache =
        extend_cache<T>(past_v.defined() ? &past_v : nullptr, v, lv.batch, lv.heads, lv.rows, lv.size);
    keys = key_cache.dims[2];
    k = packed_heads<const T>(key_cache.data<T>().data(), lk.heads, keys, lk.size);
    v = packed_heads<const T>(value_cache.data<T>().data(), lv.heads, keys, lv.size);
  }

  const AttentionSizes n{lq.batch, lq.heads, lk.heads, lq.rows, keys, lq.size, lv.size};
  AttentionOptions<T> o;
  o.scale =
      a.has("scale") ? static_cast<double>(a.f("scale", 1)) : 1 / std::sqrt(static_cast<double>(lq.size));
  o.softcap = static_cast<double>(a.f("softcap", 0));
  std::optional<BroadcastMask<T>> mask;
  if (const Tensor* m = c.maybe(kMask)) mask.emplace(*m, n);
  const Frontier frontier = frontier_of(c, n.batch, n.queries, keys);
  if (mask || frontier.active()) {
    o.mask = [&](const ScoreBlock<T>& s) {
      if (mask) (*mask)(s);
      if (frontier.active()) frontier.apply(s);
    };
  }
  Tensor qk;
  if (c.wants(3)) {
    qk = Tensor::uninitialized(dtype_of<T>, {n.batch, n.heads, n.queries, keys});
    const int64_t mode = a.i("qk_matmul_output_mode", 0);
    if (mode < 0 || mode > 3) fail("qk_matmul_output_mode {}", mode);
    T* to = qk.mutable_data<T>().data();
    o.look = [to, mode, n](typename AttentionOptions<T>::Stage stage, const ScoreBlock<T>& s) {
      if (static_cast<int64_t>(stage) == mode)
        std::copy_n(s.scores, s.rows * s.keys, to + ((s.b * n.heads + s.h) * n.queries + s.first) * s.keys);
    };
  }

  const Layout ly{lq.batch, lq.heads, lq.rows, lv.size};
  const bool flat = tq.rank() == 3;
  Tensor y = Tensor::uninitialized(
      dtype_of<T>, flat ? std::vector<int64_t>{ly.batch, ly.rows, checked_mul(ly.heads, ly.size)}
                        : std::vector<int64_t>{ly.batch, ly.heads, ly.rows, ly.size});
  attend<T>(n, heads_of<const T>(tq, lq), k, v, heads_of<T>(y, ly), o);
  const DType dtype = c.in(Q).dtype;
  set_rounded(c, 0, y, dtype);
  set_rounded(c, 1, key_cache, dtype);
  set_rounded(c, 2, value_cache, c.in(V).dtype);
  set_rounded(c, 3, qk, dtype);
}

void eval_attention(EvalCtx& c) {
  const DType t = float_compute_type({&c.in(Q), &c.in(K), &c.in(V)});
  with_float(t, [&]<class T>() { run<T>(c, convert(c.in(Q), t), convert(c.in(K), t), convert(c.in(V), t)); });
}

}  // namespace

void register_attention(OpRegistry& r) { r.add({"", "Attention", infer_attention, eval_attention}); }

}  // namespace lathe
