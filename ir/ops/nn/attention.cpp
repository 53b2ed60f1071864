// Attention (ai.onnx): caches, masks and windows around the kernel.
#include "ir/ops/nn/attention.h"

#include <cmath>
#include <limits>

#include "ir/ops/all_ops.h"
#include "ir/ops/broadcast.h"
#include "ir/ops/convert.h"
#include "ir/ops/elementwise.h"

namespace lathe {
namespace {

// Past [batch, heads, past, size] and new rows (any view) as one [batch, heads, past + rows, size] tensor.
Tensor append(const Tensor* past, const Tensor& x, const HeadView& v, int64_t batch) {
  const int64_t before = past != nullptr ? past->dims[2] : 0, total = before + v.rows;
  Tensor out = Tensor::uninitialized(x.dtype, {batch, v.heads, total, v.size});
  const auto unit = static_cast<size_t>(bit_width(x.dtype) / 8);
  const std::byte* from = x.bytes().data();
  std::byte* to = out.mutable_bytes().data();
  const auto copy = [&](const std::byte* source, int64_t at, int64_t rows, int64_t source_step) {
    for (int64_t r = 0; r < rows; ++r)
      if (v.size > 0)
        std::memcpy(to + static_cast<size_t>((at + r) * v.size) * unit,
                    source + static_cast<size_t>(r * source_step) * unit, static_cast<size_t>(v.size) * unit);
  };
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t h = 0; h < v.heads; ++h) {
      const int64_t head = b * v.heads + h;
      if (before > 0)
        copy(past->bytes().data() + static_cast<size_t>(head * before * v.size) * unit, head * total, before,
             v.size);
      copy(from + static_cast<size_t>(b * v.batch_stride + h * v.head_stride) * unit, head * total + before,
           v.rows, v.row_stride);
    }
  }
  return out;
}

Tensor additive_mask(const Tensor& mask, DType wide) {
  if (mask.dtype != DType::Bool) return convert(mask, wide);
  Tensor out = Tensor::uninitialized(wide, mask.dims);
  dispatch<WideFloats>(wide, [&]<class C>() {
    map_unary<BoolByte, C>(mask, out,
                           [](bool seen) { return seen ? C{0} : -std::numeric_limits<C>::infinity(); });
  });
  return out;
}

void check_cache(const Tensor* past, const HeadView& v, int64_t batch, const char* what) {
  if (past == nullptr) return;
  if (past->rank() != 4 || past->dims[0] != batch || past->dims[1] != v.heads || past->dims[3] != v.size)
    fail("the {} cache does not have the batch, heads and size of the new rows", what);
}

// Keys by causality, window and number of valid keys. `offset`: absolute position of the first query, by
// batch.
void limit_keys(EvalCtx& c, AttentionProblem& p, std::vector<int64_t> offset, std::vector<int64_t> valid) {
  const bool causal = c.attrs().i("is_causal", 0) != 0;
  const int64_t left = c.attrs().i("left_window_size", -1), right = c.attrs().i("right_window_size", -1);
  if (left < -1 || right < -1) fail("a window of {} to {} is not possible", left, right);
  if (!causal && left < 0 && right < 0 && valid.empty()) return;
  const int64_t keys = p.k.rows;
  p.visible = [=](int64_t b, int64_t i, int64_t& low, int64_t& high) {
    const int64_t at = offset[static_cast<size_t>(b)] + i;
    if (left >= 0 && left <= at) low = at - left;
    high = valid.empty() ? keys : std::min(keys, valid[static_cast<size_t>(b)]);
    if (causal) high = std::min(high, at + 1);
    if (right >= 0 && right < keys) high = std::min(high, at + right + 1);
  };
}

void eval_attention(EvalCtx& c) {
  const Tensor &q = c.in(0), &k = c.in(1, q.dtype), &v = c.in(2);
  if (q.rank() != k.rank() || q.rank() != v.rank())
    fail("ranks {}, {} and {} differ", q.rank(), k.rank(), v.rank());
  const int64_t q_heads = c.attrs().i("q_num_heads", 0), kv_heads = c.attrs().i("kv_num_heads", 0);
  AttentionProblem p;
  p.q = HeadView::of(q.dims, q_heads);
  p.k = HeadView::of(k.dims, kv_heads);
  p.v = HeadView::of(v.dims, kv_heads);
  p.batch = q.dims[0];
  if (k.dims[0] != p.batch || v.dims[0] != p.batch)
    fail("batches {}, {} and {} differ", p.batch, k.dims[0], v.dims[0]);
  const Tensor *past_k = c.maybe(4), *past_v = c.maybe(5);
  if ((past_k != nullptr) != (past_v != nullptr)) fail("past_key and past_value come together");
  if (past_k != nullptr && (past_k->dtype != k.dtype || past_v->dtype != v.dtype))
    fail("the cache's element type differs");
  check_cache(past_k, p.k, p.batch, "key");
  check_cache(past_v, p.v, p.batch, "value");
  p.scale = c.attrs().has("scale") ? c.attrs().f("scale", 1)
                                   : 1 / std::sqrt(static_cast<double>(std::max<int64_t>(1, p.q.size)));
  p.softcap = c.attrs().f("softcap", 0);

  const DType wide = q.dtype == DType::F64 ? DType::F64 : DType::F32;
  const bool cached = past_k != nullptr;
  Tensor keys = k, values = v;
  if (cached || c.wants(1)) keys = append(past_k, k, p.k, p.batch);
  if (cached || c.wants(2)) values = append(past_v, v, p.v, p.batch);
  if (c.wants(1)) c.set(1, keys);
  if (c.wants(2)) c.set(2, values);
  p.k = HeadView::of(keys.dims, kv_heads);
  p.v = HeadView::of(values.dims, kv_heads);

  Tensor mask;
  if (const Tensor* m = c.maybe(3)) {
    if (m->rank() > 4 || m->rank() < 1) fail("the mask has rank {}", m->rank());
    mask = additive_mask(*m, wide);
    p.mask = &mask;
    p.mask_columns = m->dims.back();
    if (p.mask_columns > p.k.rows)
      fail("the mask has {} columns, there are {} keys", p.mask_columns, p.k.rows);
    const Dims full{p.batch, p.q.heads, p.q.rows, p.mask_columns};
    const Dims strides = broadcast_strides(m->dims, full);
    std::copy(strides.begin(), strides.begin() + 3, p.mask_strides);
  }

  std::vector<int64_t> offset(static_cast<size_t>(p.batch), cached ? past_k->dims[2] : 0), valid;
  if (const Tensor* n = c.maybe(6)) {
    if (cached) fail("nonpad_kv_seqlen and a cache exclude each other");
    valid = n->to_i64();
    if (valid.size() != offset.size())
      fail("nonpad_kv_seqlen has {} entries, the batch {}", valid.size(), p.batch);
    for (size_t b = 0; b < valid.size(); ++b) {
      if (valid[b] < 0 || valid[b] > p.k.rows) fail("nonpad_kv_seqlen {} of {} keys", valid[b], p.k.rows);
      offset[b] = valid[b] - p.q.rows;
    }
  }
  limit_keys(c, p, std::move(offset), std::move(valid));

  Dims y_dims = q.dims;
  y_dims.back() = q.rank() == 4 ? p.v.size : checked_mul(p.q.heads, p.v.size);
  p.y = HeadView::of(y_dims, q_heads);
  Tensor y = Tensor::uninitialized(wide, y_dims), scores;
  if (c.wants(3)) {
    scores = Tensor::uninitialized(wide, {p.batch, p.q.heads, p.q.rows, p.k.rows});
    p.scores = &scores;
    p.scores_step = c.attrs().i("qk_matmul_output_mode", 0);
  }
  attention(p, convert(q, wide), convert(keys, wide), convert(values, wide), y);
  c.set(0, convert(y, q.dtype));
  if (c.wants(3)) c.set(3, convert(scores, q.dtype));
}

void infer_attention(InferCtx& c) {
  const Shape *q = c.shape(0), *k = c.shape(1), *v = c.shape(2);
  const auto known = [](const Shape* s) { return s != nullptr && (s->size() == 3 || s->size() == 4); };
  if (!known(q) || !known(k) || !known(v)) {
    c.out(0, c.dtype(0));
    c.out(1, c.dtype(1));
    c.out(2, c.dtype(2));
    return c.out(3, c.dtype(0));
  }
  const bool flat = q->size() == 3;
  const int64_t q_heads = c.attrs().i("q_num_heads", 0), kv_heads = c.attrs().i("kv_num_heads", 0);
  if (flat && (q_heads < 1 || kv_heads < 1))
    c.contradiction("q_num_heads and kv_num_heads are needed with rank 3");
  const auto size = [&](const Shape& s) { return flat ? Dim::floor_div(s[2], Dim(kv_heads)) : s[3]; };
  const Dim rows = (*k)[flat ? 1 : 2], heads_q = flat ? Dim(q_heads) : (*q)[1],
            heads_kv = flat ? Dim(kv_heads) : (*k)[1];
  Dim total = rows;
  if (c.has(4)) total = c.rank(4) == 4 ? rows + (*c.shape(4))[2] : Dim::unknown();
  Shape y = *q;
  y.back() = flat ? heads_q * size(*v) : (*v)[3];
  c.out(0, c.dtype(0), std::move(y));
  c.out(1, c.dtype(1), Shape{(*q)[0], heads_kv, total, size(*k)});
  c.out(2, c.dtype(2), Shape{(*q)[0], heads_kv, total, size(*v)});
  c.out(3, c.dtype(0), Shape{(*q)[0], heads_q, (*q)[flat ? 1 : 2], total});
}

}  // namespace

void register_attention(OpRegistry& r) {
  r.add({.domain = "", .type = "Attention", .infer = infer_attention, .eval = eval_attention});
}

}  // namespace lathe
