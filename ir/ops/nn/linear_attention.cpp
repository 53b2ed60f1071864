// LinearAttention: attention as a recurrence over one state matrix a head (linear, gated, delta and gated
// delta rules). CausalConvWithState: the short depthwise convolution that goes before it.
#include <cmath>

#include "ir/base/parallel.h"
#include "ir/base/work_vector.h"
#include "ir/ops/nn/attention_inputs.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

enum Input { Q, K, V, kPast, kDecay, kBeta };

struct Sizes {
  int64_t batch, steps, heads, kv_heads, key, value;  // key, value: of one head
};

void infer_linear_attention(InferCtx& c) {
  const Shape *q = c.shape(Q), *v = c.shape(V);
  const int64_t heads = c.attrs().i("q_num_heads", 0), kv_heads = c.attrs().i("kv_num_heads", 0);
  if (heads < 1 || kv_heads < 1 || heads % kv_heads != 0)
    c.contradiction(fmt::format("{} query heads, {} key heads", heads, kv_heads));
  const DType state = c.has(kPast) ? c.dtype(kPast) : c.dtype(Q);
  if (q == nullptr || v == nullptr || q->size() != 3 || v->size() != 3) {
    c.out(0, c.dtype(Q));
    return c.out(1, state);
  }
  const Dim size = Dim::floor_div((*v)[2], kv_heads);
  c.out(0, c.dtype(Q), Shape{(*q)[0], (*q)[1], Dim(heads) * size});
  c.out(1, state, Shape{(*q)[0], kv_heads, Dim::floor_div((*q)[2], heads), size});
}

Sizes sizes_of(EvalCtx& c) {
  Sizes n{};
  const Tensor &q = c.in(Q), &k = c.in(K), &v = c.in(V);
  n.heads = c.attrs().i("q_num_heads", 0);
  n.kv_heads = c.attrs().i("kv_num_heads", 0);
  if (n.heads < 1 || n.kv_heads < 1 || n.heads % n.kv_heads != 0)
    fail("{} query heads, {} key heads", n.heads, n.kv_heads);
  for (const Tensor* t : {&q, &k, &v})
    if (t->rank() != 3 || t->dims[0] != q.dims[0] || t->dims[1] != q.dims[1])
      fail("query, key and value must be [batch, steps, heads x size]");
  n.batch = q.dims[0];
  n.steps = q.dims[1];
  n.key = q.dims[2] / n.heads;
  n.value = v.dims[2] / n.kv_heads;
  if (q.dims[2] % n.heads != 0 || v.dims[2] % n.kv_heads != 0 || k.dims[2] != checked_mul(n.key, n.kv_heads))
    fail("query, key and value do not split in {} and {} heads", n.heads, n.kv_heads);
  return n;
}

// [batch, steps, one of the widths]
Tensor side_input(EvalCtx& c, size_t i, bool wanted, const Sizes& n, std::initializer_list<int64_t> widths,
                  DType t, const char* name) {
  if (wanted != c.has(i)) fail("this update_rule {} {}", wanted ? "needs" : "takes no", name);
  if (!wanted) return {};
  const Tensor& x = c.in(i);
  if (x.rank() != 3 || x.dims[0] != n.batch || x.dims[1] != n.steps ||
      std::find(widths.begin(), widths.end(), x.dims[2]) == widths.end())
    fail("{} does not fit the heads", name);
  return convert(x, t);
}

template <class T>
void run(EvalCtx& c, const Sizes& n, DType dtype) {
  const std::string rule = c.attrs().s("update_rule", "gated_delta");
  const bool gated = rule == "gated" || rule == "gated_delta",
             delta = rule == "delta" || rule == "gated_delta";
  if (!gated && !delta && rule != "linear") fail("update_rule '{}' is not known", rule);
  const Tensor decay =
      side_input(c, kDecay, gated, n, {n.kv_heads, checked_mul(n.kv_heads, n.key)}, dtype, "decay");
  const Tensor beta = side_input(c, kBeta, delta, n, {n.kv_heads, 1}, dtype, "beta");
  const Tensor q = convert(c.in(Q), dtype), k = convert(c.in(K), dtype), v = convert(c.in(V), dtype);
  Dims state_dims{n.batch, n.kv_heads, n.key, n.value};
  Tensor state = Tensor::make(dtype, state_dims);
  const DType state_type = c.has(kPast) ? c.in(kPast).dtype : c.in(Q).dtype;
  if (c.has(kPast)) {
    if (c.in(kPast).dims != state_dims) fail("past_state does not fit the heads");
    const Tensor past = convert(c.in(kPast), dtype);
    std::copy_n(past.data<T>().data(), past.count(), state.mutable_data<T>().data());
  }
  T scale = static_cast<T>(c.attrs().f("scale", 0));
  if (scale == 0) scale = 1 / std::sqrt(static_cast<T>(n.key));
  Tensor y = Tensor::uninitialized(dtype, {n.batch, n.steps, checked_mul(n.heads, n.value)});
  const int64_t group = n.heads / n.kv_heads;
  T* states = state.mutable_data<T>().data();
  T* out = y.mutable_data<T>().data();
  parallel_for(n.batch * n.kv_heads, 1, [&](int64_t begin, int64_t end) {
    WorkVector<T> write(static_cast<size_t>(n.value));
    for (int64_t h = begin; h < end; ++h) {
      T* s = states + h * n.key * n.value;
      const int64_t b = h / n.kv_heads, head = h % n.kv_heads;
      for (int64_t t = b * n.steps; t < (b + 1) * n.steps; ++t) {
        const T* kt = k.data<T>().data() + (t * n.kv_heads + head) * n.key;
        const T* vt = v.data<T>().data() + (t * n.kv_heads + head) * n.value;
        if (gated) {
          const bool per_head = decay.dims[2] == n.kv_heads;
          const T* g = decay.data<T>().data() + t * decay.dims[2] + head * (per_head ? 1 : n.key);
          for (int64_t i = 0; i < n.key; ++i) {
            const T factor = std::exp(g[per_head ? 0 : i]);
            for (int64_t j = 0; j < n.value; ++j) s[i * n.value + j] *= factor;
          }
        }
        std::copy_n(vt, n.value, write.data());
        if (delta) {
          for (int64_t i = 0; i < n.key; ++i)
            for (int64_t j = 0; j < n.value; ++j) write[static_cast<size_t>(j)] -= s[i * n.value + j] * kt[i];
          const T rate =
              beta.data<T>()[static_cast<size_t>(t * beta.dims[2] + (beta.dims[2] == 1 ? 0 : head))];
          for (T& w : write) w *= rate;
        }
        for (int64_t i = 0; i < n.key; ++i)
          for (int64_t j = 0; j < n.value; ++j) s[i * n.value + j] += kt[i] * write[static_cast<size_t>(j)];
        for (int64_t o = head * group; o < (head + 1) * group; ++o) {
          const T* qt = q.data<T>().data() + (t * n.heads + o) * n.key;
          T* to = out + (t * n.heads + o) * n.value;
          std::fill_n(to, n.value, T(0));
          for (int64_t i = 0; i < n.key; ++i)
            for (int64_t j = 0; j < n.value; ++j) to[j] += qt[i] * s[i * n.value + j];
          for (int64_t j = 0; j < n.value; ++j) to[j] *= scale;
        }
      }
    }
  });
  set_rounded(c, 0, y, c.in(Q).dtype);
  set_rounded(c, 1, state, state_type);
}

void eval_linear_attention(EvalCtx& c) {
  const DType t =
      float_compute_type({&c.in(Q), &c.in(K), &c.in(V), c.maybe(kPast), c.maybe(kDecay), c.maybe(kBeta)});
  const Sizes n = sizes_of(c);
  with_float(t, [&]<class T>() { run<T>(c, n, t); });
}

// ---------------------------------------------------------------- CausalConvWithState

void infer_causal_conv(InferCtx& c) {
  const Shape *x = c.shape(0), *w = c.shape(1);
  c.out(0, c.dtype(0), x != nullptr ? std::optional(*x) : std::nullopt);
  const bool known = x != nullptr && w != nullptr && x->size() == 3 && w->size() == 3;
  c.out(1, c.dtype(0), known ? std::optional(Shape{(*x)[0], (*x)[1], (*w)[2] - Dim(1)}) : std::nullopt);
}

void eval_causal_conv(EvalCtx& c) {
  const Tensor &x = c.in(0), &w = c.in(1);
  if (x.rank() != 3 || w.rank() != 3 || w.dims[0] != x.dims[1] || w.dims[1] != 1 || w.dims[2] < 1)
    fail("the input must be [batch, channels, length], the weight [channels, 1, taps]");
  const int64_t batch = x.dims[0], channels = x.dims[1], length = x.dims[2], taps = w.dims[2],
                before = taps - 1;
  const Tensor *bias = c.maybe(2), *past = c.maybe(3);
  if (bias != nullptr && bias->dims != Dims{channels}) fail("the bias must be [{}]", channels);
  if (past != nullptr && past->dims != Dims{batch, channels, before})
    fail("past_state must be [{}, {}, {}]", batch, channels, before);
  const std::string activation = c.attrs().s("activation", "none");
  if (activation != "none" && activation != "silu" && activation != "swish")
    fail("activation '{}' is not known", activation);
  const DType dtype = float_compute_type({&x, &w, bias, past});
  with_float(dtype, [&]<class T>() {
    const Tensor input = convert(x, dtype), kernel = convert(w, dtype);
    const Tensor shift = bias != nullptr ? convert(*bias, dtype) : Tensor::make(dtype, {channels});
    const Tensor old =
        past != nullptr ? convert(*past, dtype) : Tensor::make(dtype, {batch, channels, before});
    Tensor y = Tensor::uninitialized(dtype, x.dims),
           state = Tensor::uninitialized(dtype, {batch, channels, before});
    parallel_for(batch * channels, 16, [&](int64_t begin, int64_t end) {
      WorkVector<T> line(static_cast<size_t>(before + length));
      for (int64_t p = begin; p < end; ++p) {
        std::copy_n(old.data<T>().data() + p * before, before, line.data());
        std::copy_n(input.data<T>().data() + p * length, length, line.data() + before);
        const T* k = kernel.data<T>().data() + p % channels * taps;
        for (int64_t i = 0; i < length; ++i) {
          T sum = shift.data<T>()[static_cast<size_t>(p % channels)];
          for (int64_t j = 0; j < taps; ++j) sum += line[static_cast<size_t>(i + j)] * k[j];
          y.mutable_data<T>()[static_cast<size_t>(p * length + i)] =
              activation == "none" ? sum : sum / (1 + std::exp(-sum));
        }
        std::copy_n(line.data() + length, before, state.mutable_data<T>().data() + p * before);
      }
    });
    set_rounded(c, 0, y, x.dtype);
    set_rounded(c, 1, state, x.dtype);
  });
}

}  // namespace

void register_linear_attention(OpRegistry& r) {
  r.add({"", "CausalConvWithState", infer_causal_conv, eval_causal_conv});
  r.add({"", "LinearAttention", infer_linear_attention, eval_linear_attention});
}

}  // namespace lathe
