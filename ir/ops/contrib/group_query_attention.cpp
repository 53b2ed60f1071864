// GroupQueryAttention (com.microsoft): causal attention with fewer key heads, a cache, and rotary embedding
// inside.
#include <cmath>

#include "ir/ops/contrib/shapes.h"
#include "ir/ops/nn/rotary.h"
#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"

namespace lathe {
namespace {

enum Input {
  kQuery,
  kKey,
  kValue,
  kPastKey,
  kPastValue,
  kLengths,
  kTotal,
  kCos,
  kSin,
  kPositions,
  kAttentionBias,
  kSink
};

struct HeadCounts {
  int64_t q = 0, kv = 0;
};
HeadCounts heads_of(const Attrs& a) {
  const HeadCounts n{a.i("num_heads", 0), a.i("kv_num_heads", 0)};
  if (n.q < 1 || n.kv < 1 || n.q % n.kv != 0) fail("{} heads over {} key heads", n.q, n.kv);
  return n;
}

void infer_group_query(InferCtx& c) {
  const HeadCounts n = heads_of(c.attrs());
  const Shape *q = c.shape(kQuery), *past = c.shape(kPastKey);
  const DType dtype = c.dtype(0);
  if (q == nullptr || q->size() != 3) return c.out(0, dtype, unknown_shape(3));
  const Dim width = c.has(kKey) ? (*q)[2] : Dim::floor_div((*q)[2], n.q + 2 * n.kv) * Dim(n.q);
  c.out(0, dtype, Shape{(*q)[0], (*q)[1], width});
  // The cache holds the longer of what was there and what is asked for.
  const auto total = c.value(kTotal);
  const Dim before = past != nullptr && past->size() == 4 ? (*past)[2]
                     : c.has(kPastKey)                    ? Dim::unknown()
                                                          : Dim(0);
  const Dim keys = total && total->size() == 1 ? Dim::max(before, (*total)[0]) : Dim::unknown();
  for (size_t i = 1; i < 3; ++i)
    c.out(i, c.has(kPastKey) ? c.dtype(kPastKey) : dtype,
          Shape{(*q)[0], n.kv, keys, Dim::floor_div(width, n.q)});
}

template <class T>
void run(EvalCtx& c) {
  const DType t = dtype_of<T>;
  const Attrs& a = c.attrs();
  const Tensor& query = c.in(kQuery);
  const Tensor *key = c.maybe(kKey), *value = c.maybe(kValue), *past_key = c.maybe(kPastKey),
               *past_value = c.maybe(kPastValue);
  const HeadCounts heads = heads_of(a);
  if (query.rank() != 3) fail("query of rank {}", query.rank());
  if ((key == nullptr) != (value == nullptr) || (past_key == nullptr) != (past_value == nullptr))
    fail("key and value, past_key and past_value belong together");
  if (a.s("k_quant_type", "NONE") != "NONE" || a.s("v_quant_type", "NONE") != "NONE" || c.has(14) ||
      c.has(15))
    fail("quantized caches and normalised heads are not supported here");
  if (a.i("causal", 1) == 0) fail("only causal attention is supported here");
  const int64_t batch = query.dims[0], length = query.dims[1];
  const int64_t parts = key == nullptr ? heads.q + 2 * heads.kv : heads.q;
  if (query.dims[2] % parts != 0) fail("{} features do not split in {} heads", query.dims[2], parts);
  const int64_t size = query.dims[2] / parts;
  if (key != nullptr)
    for (const Tensor* x : {key, value})
      if (x->dims != std::vector<int64_t>{batch, length, heads.kv * size})
        fail("key or value does not fit the query");

  const Tensor wq = convert(query, t), wk = key != nullptr ? convert(*key, t) : wq,
               wv = value != nullptr ? convert(*value, t) : wq;
  const int64_t q_width = query.dims[2], kv_width = key != nullptr ? heads.kv * size : q_width;
  auto q = interleaved_heads<const T>(wq.data<T>().data(), length, size, q_width);
  auto k = interleaved_heads<const T>(wk.data<T>().data() + (key == nullptr ? heads.q * size : 0), length,
                                      size, kv_width);
  const auto v = interleaved_heads<const T>(
      wv.data<T>().data() + (key == nullptr ? (heads.q + heads.kv) * size : 0), length, size, kv_width);

  // Keys of each batch entry, and those of them that come before this call.
  std::vector<int64_t> total = read_ints(c.in(kLengths)), before(total.size());
  const auto longest = read_ints(c.in(kTotal));
  if (longest.size() != 1 || static_cast<int64_t>(total.size()) != batch)
    fail("lengths do not fit a batch of {}", batch);
  const bool prompt = length == longest[0];
  const int64_t cached = past_key != nullptr ? past_key->dims[2] : 0, room = std::max(cached, longest[0]);
  for (size_t b = 0; b < total.size(); ++b) {
    if (total[b] < 0 || total[b] >= room) fail("{} keys of {}", total[b] + 1, room);
    ++total[b];
    before[b] = prompt ? 0 : total[b] - length;
    if (before[b] < 0 || before[b] > cached || before[b] + length > room)
      fail("{} keys before {} new of {}", before[b], length, room);
  }

  Tensor turned_q, turned_k;
  if (a.i("do_rotary", 0) != 0) {
    const Tensor cos = convert(c.in(kCos), t), sin = convert(c.in(kSin), t);
    if (cos.rank() != 2 || cos.dims != sin.dims || 2 * cos.dims[1] > size)
      fail("the rotary caches do not fit heads of {}", size);
    std::vector<int64_t> places;
    if (const Tensor* given = c.maybe(kPositions)) {
      places = read_ints(*given);
      if (static_cast<int64_t>(places.size()) != batch * length) fail("{} position ids", places.size());
    } else {
      for (int64_t b = 0; b < batch; ++b)
        for (int64_t s = 0; s < length; ++s) {
          const int64_t place = before[static_cast<size_t>(b)] + s;
          // Padding beyond an entry's length has no place of its own.
          places.push_back(prompt || length == 1 || place < total[static_cast<size_t>(b)] ? place : 1);
        }
    }
    for (const int64_t p : places)
      if (p < 0 || p >= cos.dims[0]) fail("position {} is out of range for a cache of {}", p, cos.dims[0]);
    const auto row_of = [&](int64_t b, int64_t s) { return places[static_cast<size_t>(b * length + s)]; };
    Rotation n{batch, heads.q, length, size, 2 * cos.dims[1], a.i("rotary_interleaved", 0) != 0};
    turned_q = Tensor::uninitialized(t, {batch, length, heads.q * size});
    const auto to_q = interleaved_heads<T>(turned_q.mutable_data<T>().data(), length, size, heads.q * size);
    rotate<T>(n, q, to_q, cos.data<T>().data(), sin.data<T>().data(), row_of);
    q = {to_q.data, to_q.batch, to_q.head, to_q.row};
    n.heads = heads.kv;
    turned_k = Tensor::uninitialized(t, {batch, length, heads.kv * size});
    const auto to_k = interleaved_heads<T>(turned_k.mutable_data<T>().data(), length, size, heads.kv * size);
    rotate<T>(n, k, to_k, cos.data<T>().data(), sin.data<T>().data(), row_of);
    k = {to_k.data, to_k.batch, to_k.head, to_k.row};
  }

  const auto fill = [&](const Tensor* past, Heads<const T> fresh) {
    Tensor out = Tensor::make(t, {batch, heads.kv, room, size});
    const Tensor old = past != nullptr ? convert(*past, t) : Tensor();
    if (past != nullptr && past->dims != std::vector<int64_t>{batch, heads.kv, cached, size})
      fail("the cache does not fit");
    T* to = out.mutable_data<T>().data();
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t h = 0; h < heads.kv; ++h, to += room * size) {
        const int64_t kept = before[static_cast<size_t>(b)];
        if (kept > 0) std::copy_n(old.data<T>().data() + (b * heads.kv + h) * cached * size, kept * size, to);
        for (int64_t s = 0; s < length; ++s)
          std::copy_n(fresh.at(b, h) + s * fresh.row, size, to + (kept + s) * size);
      }
    return out;
  };
  Tensor keys = fill(past_key, k), values = fill(past_value, v);

  AttentionSizes n{batch, heads.q, heads.kv, length, room, size, size};
  AttentionOptions<T> o;
  const double scale = static_cast<double>(a.f("scale", 0));
  o.scale = scale != 0 ? scale : 1 / std::sqrt(static_cast<double>(size));
  o.softcap = static_cast<double>(a.f("softcap", 0));
  o.smooth = a.i("smooth_softmax", 0) == 1;
  Tensor sinks;
  if (const Tensor* s = c.maybe(kSink)) {
    sinks = convert(*s, t);
    if (sinks.count() != heads.q) fail("{} sinks for {} heads", sinks.count(), heads.q);
    o.sinks = sinks.data<T>().data();
  }
  std::optional<BroadcastMask<T>> added;
  if (const Tensor* extra = c.maybe(kAttentionBias)) added.emplace(*extra, n);
  const int64_t window = a.i("local_window_size", -1);
  o.mask = [&](const ScoreBlock<T>& s) {
    if (added) (*added)(s);
    const auto b = static_cast<size_t>(s.b);
    for (int64_t r = 0; r < s.rows; ++r) {
      const int64_t end = before[b] + s.first + r + 1;
      const int64_t begin = window > 0 ? std::max<int64_t>(0, end - window) : 0;
      T* row = s.scores + r * s.keys;
      std::fill(row, row + std::min(begin, s.keys), -std::numeric_limits<T>::infinity());
      std::fill(row + std::min(end, s.keys), row + s.keys, -std::numeric_limits<T>::infinity());
    }
  };
  Tensor y = Tensor::uninitialized(t, {batch, length, heads.q * size});
  attend<T>(n, q, packed_heads<const T>(keys.data<T>().data(), heads.kv, room, size),
            packed_heads<const T>(values.data<T>().data(), heads.kv, room, size),
            interleaved_heads<T>(y.mutable_data<T>().data(), length, size, heads.q * size), o);
  set_rounded(c, 0, y, query.dtype);
  set_rounded(c, 1, keys, query.dtype);
  set_rounded(c, 2, values, query.dtype);
}

void eval_group_query(EvalCtx& c) {
  with_float(
      float_compute_type({&c.in(kQuery), c.maybe(kKey), c.maybe(kValue), c.maybe(kPastKey), c.maybe(kCos)}),
      [&]<class T>() { run<T>(c); });
}

}  // namespace

void register_contrib_group_query_attention(OpRegistry& r) {
  r.add({kMicrosoft, "GroupQueryAttention", infer_group_query, eval_group_query});
}

}  // namespace lathe
