// MultiHeadAttention (com.microsoft): attention on projected Q, K and V, separate or packed.
#include <cmath>

#include "ir/ops/contrib/key_mask.h"
#include "ir/ops/contrib/shapes.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

enum Input { kQuery, kKey, kValue, kBias, kMask, kAttentionBias, kPastKey, kPastValue };

int64_t head_count(const Attrs& a) {
  const int64_t heads = a.i("num_heads", 0);
  if (heads < 1) fail("num_heads is {}", heads);
  return heads;
}

void infer_multi_head(InferCtx& c) {
  const int64_t heads = head_count(c.attrs());
  const Shape *q = c.shape(kQuery), *k = c.shape(kKey), *v = c.shape(kValue), *past = c.shape(kPastKey);
  const DType dtype = c.dtype(0);
  const auto give_up = [&] {
    c.out(0, dtype, unknown_shape(3));
    for (size_t i = 1; i < 4; ++i) c.out(i, dtype, unknown_shape(4));
  };
  if (q == nullptr || (c.has(kKey) && k == nullptr) || (c.has(kValue) && v == nullptr)) return give_up();
  Dim width, keys, v_width;
  if (q->size() == 5) {
    width = v_width = Dim(heads) * (*q)[4];
    keys = (*q)[1];
  } else if (q->size() == 3 && k != nullptr) {
    width = (*q)[2];
    keys = k->size() == 4 ? (*k)[2] : (*k)[1];
    v_width = v == nullptr ? width : v->size() == 4 ? Dim(heads) * (*v)[3] : v->back();
  } else {
    return give_up();
  }
  const Dim total = !c.has(kPastKey)                       ? keys
                    : past != nullptr && past->size() == 4 ? (*past)[2] + keys
                                                           : Dim::unknown();
  c.out(0, dtype, Shape{(*q)[0], (*q)[1], v_width});
  c.out(1, dtype, Shape{(*q)[0], heads, total, Dim::floor_div(width, heads)});
  c.out(2, dtype, Shape{(*q)[0], heads, total, Dim::floor_div(v_width, heads)});
  c.out(3, dtype, Shape{(*q)[0], heads, (*q)[1], total});
}

// A projected operand: [B, rows, heads, size] at some strides, with its own copy of the data.
template <class T>
struct Operand {
  Tensor data;
  int64_t rows = 0, size = 0;
  Heads<const T> heads;
};

template <class T>
Operand<T> of_rank3(const Tensor& t, int64_t batch, int64_t heads, const char* name) {
  if (t.rank() != 3 || t.dims[0] != batch || t.dims[2] % heads != 0)
    fail("{} does not fit batch and heads", name);
  Operand<T> o{convert(t, dtype_of<T>), t.dims[1], t.dims[2] / heads, {}};
  o.heads = interleaved_heads<const T>(o.data.template data<T>().data(), o.rows, o.size, t.dims[2]);
  return o;
}
template <class T>
Operand<T> of_rank4(const Tensor& t, int64_t batch, int64_t heads, const char* name) {
  if (t.rank() != 4 || t.dims[0] != batch || t.dims[1] != heads)
    fail("{} does not fit batch and heads", name);
  Operand<T> o{convert(t, dtype_of<T>), t.dims[2], t.dims[3], {}};
  o.heads = packed_heads<const T>(o.data.template data<T>().data(), heads, o.rows, o.size);
  return o;
}
// Part `part` of [B, S, N, parts, H].
template <class T>
Operand<T> of_rank5(const Tensor& t, int64_t batch, int64_t heads, int64_t parts, int64_t part) {
  if (t.rank() != 5 || t.dims[0] != batch || t.dims[2] != heads || t.dims[3] != parts)
    fail("a packed operand does not fit {} heads of {} parts", heads, parts);
  Operand<T> o{convert(t, dtype_of<T>), t.dims[1], t.dims[4], {}};
  const int64_t width = heads * parts * o.size;
  o.heads = {o.data.template data<T>().data() + part * o.size, o.rows * width, parts * o.size, width};
  return o;
}

template <class T>
void add_bias(Operand<T>& o, const T* bias, int64_t batch, int64_t heads) {
  Tensor sum = Tensor::uninitialized(dtype_of<T>, {batch, o.rows, heads, o.size});
  T* to = sum.mutable_data<T>().data();
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t r = 0; r < o.rows; ++r)
      for (int64_t h = 0; h < heads; ++h)
        for (int64_t i = 0; i < o.size; ++i)
          *to++ = o.heads.at(b, h)[r * o.heads.row + i] + bias[h * o.size + i];
  o.heads = interleaved_heads<const T>(sum.data<T>().data(), o.rows, o.size, heads * o.size);
  o.data = std::move(sum);
}

template <class T>
void run(EvalCtx& c) {
  const DType t = dtype_of<T>;
  const Tensor& query = c.in(kQuery);
  const Tensor *key = c.maybe(kKey), *value = c.maybe(kValue), *past_key = c.maybe(kPastKey),
               *past_value = c.maybe(kPastValue);
  const int64_t heads = head_count(c.attrs());
  if (query.rank() < 3) fail("query of rank {}", query.rank());
  const int64_t batch = query.dims[0];
  Operand<T> q, k, v;
  if (key == nullptr) {
    q = of_rank5<T>(query, batch, heads, 3, 0);
    k = of_rank5<T>(query, batch, heads, 3, 1);
    v = of_rank5<T>(query, batch, heads, 3, 2);
  } else {
    q = of_rank3<T>(query, batch, heads, "query");
    if (key->rank() == 5) {
      k = of_rank5<T>(*key, batch, heads, 2, 0);
      v = of_rank5<T>(*key, batch, heads, 2, 1);
    } else if (value == nullptr) {
      fail("value is missing");
    } else if (key->rank() == 4) {
      k = of_rank4<T>(*key, batch, heads, "key");
      v = of_rank4<T>(*value, batch, heads, "value");
    } else {
      k = of_rank3<T>(*key, batch, heads, "key");
      v = of_rank3<T>(*value, batch, heads, "value");
    }
  }
  if (k.size != q.size || k.rows != v.rows) fail("query, key and value do not fit together");
  if (const Tensor* bias = c.maybe(kBias)) {
    const int64_t width = heads * q.size;
    if (bias->count() != 2 * width + heads * v.size) fail("a bias of {} elements", bias->count());
    const Tensor wb = convert(*bias, t);
    const T* p = wb.data<T>().data();
    add_bias(q, p, batch, heads);
    if (key == nullptr || key->rank() != 4) {  // a 4-D key is a cache that has its bias already
      add_bias(k, p + width, batch, heads);
      add_bias(v, p + 2 * width, batch, heads);
    }
  }

  AttentionSizes n{batch, heads, heads, q.rows, k.rows, q.size, v.size};
  Tensor keys, values;
  int64_t before = 0;
  if ((past_key == nullptr) != (past_value == nullptr)) fail("past_key and past_value belong together");
  if (past_key != nullptr || c.wants(1) || c.wants(2)) {
    Tensor pk, pv;
    if (past_key != nullptr) {
      const auto fits = [&](const Tensor& p, int64_t size) {
        return p.rank() == 4 && p.dims[0] == batch && p.dims[1] == heads && p.dims[3] == size;
      };
      if (!fits(*past_key, n.size) || !fits(*past_value, n.v_size) ||
          past_key->dims[2] != past_value->dims[2])
        fail("past_key and past_value do not fit");
      before = past_key->dims[2];
      pk = convert(*past_key, t);
      pv = convert(*past_value, t);
    }
    keys = extend_cache<T>(past_key != nullptr ? &pk : nullptr, k.heads, batch, heads, k.rows, k.size);
    values = extend_cache<T>(past_key != nullptr ? &pv : nullptr, v.heads, batch, heads, v.rows, v.size);
    n.keys = before + k.rows;
    k.heads = packed_heads<const T>(keys.data<T>().data(), heads, n.keys, n.size);
    v.heads = packed_heads<const T>(values.data<T>().data(), heads, n.keys, n.v_size);
  }

  AttentionOptions<T> o;
  const double scale = static_cast<double>(c.attrs().f("scale", 0));
  o.scale = scale != 0 ? scale : 1 / std::sqrt(static_cast<double>(n.size));
  const KeyMask<T> mask(c.maybe(kMask), n, c.attrs().i("unidirectional", 0) != 0, before,
                        static_cast<double>(c.attrs().f("mask_filter_value", -10000.0f)));
  std::optional<BroadcastMask<T>> added;
  if (const Tensor* extra = c.maybe(kAttentionBias)) added.emplace(*extra, n);
  if (added || mask.active()) {
    o.mask = [&](const ScoreBlock<T>& s) {
      if (added) (*added)(s);
      mask(s);
    };
  }
  Tensor qk;
  if (c.wants(3)) {
    qk = Tensor::uninitialized(t, {batch, heads, n.queries, n.keys});
    T* to = qk.mutable_data<T>().data();
    o.look = [to, n](typename AttentionOptions<T>::Stage stage, const ScoreBlock<T>& s) {
      if (stage == AttentionOptions<T>::masked)
        std::copy_n(s.scores, s.rows * s.keys, to + ((s.b * n.heads + s.h) * n.queries + s.first) * s.keys);
    };
  }
  Tensor y = Tensor::uninitialized(t, {batch, n.queries, heads * n.v_size});
  attend<T>(n, q.heads, k.heads, v.heads,
            interleaved_heads<T>(y.mutable_data<T>().data(), n.queries, n.v_size, heads * n.v_size), o);
  set_rounded(c, 0, y, query.dtype);
  set_rounded(c, 1, keys, query.dtype);
  set_rounded(c, 2, values, query.dtype);
  set_rounded(c, 3, qk, query.dtype);
}

void eval_multi_head(EvalCtx& c) {
  with_float(
      float_compute_type({&c.in(kQuery), c.maybe(kKey), c.maybe(kValue), c.maybe(kBias), c.maybe(kPastKey)}),
      [&]<class T>() { run<T>(c); });
}

}  // namespace

void register_contrib_multi_head_attention(OpRegistry& r) {
  r.add({kMicrosoft, "MultiHeadAttention", infer_multi_head, eval_multi_head});
}

}  // namespace lathe
