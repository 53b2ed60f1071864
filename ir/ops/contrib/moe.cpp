// MoE and QMoE (com.microsoft): each token goes through the k experts that its router prefers. An expert is
// fc2(activation(fc1 x)), with fc3 activation(fc1 x) * fc3 x. As in onnxruntime's CPU kernels, MoE weighs
// experts by the softmax over all of them, QMoE by the softmax over the chosen ones (or by router_weights).
#include <algorithm>
#include <cmath>
#include <numeric>

#include "ir/ops/contrib/nbits.h"
#include "ir/ops/contrib/shapes.h"
#include "ir/ops/math/gemm_kernel.h"
#include "ir/ops/nn/attention_inputs.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

void infer_moe(InferCtx& c) {
  const Shape* s = c.shape(0);
  c.out(0, c.dtype(0), s != nullptr ? std::optional(*s) : std::nullopt);
}

// ---------------------------------------------------------------- activations

enum class Kind : uint8_t { relu, gelu, silu, identity, swiglu };

struct Activation {
  Kind kind;
  double alpha, beta, limit;
  int64_t fusion;  // of swiglu: 1 gate and linear alternate, 2 the halves of a row, 0 linear is fc3
};

Activation activation_of(const Attrs& a) {
  const std::string name = a.s("activation_type", "relu");
  Activation out{Kind::relu, a.f("activation_alpha", 1), a.f("activation_beta", 0),
                 a.has("swiglu_limit") ? a.f("swiglu_limit", 0) : HUGE_VAL, a.i("swiglu_fusion", 0)};
  if (name == "gelu")
    out.kind = Kind::gelu;
  else if (name == "silu")
    out.kind = Kind::silu;
  else if (name == "identity")
    out.kind = Kind::identity;
  else if (name == "swiglu")
    out.kind = Kind::swiglu;
  else if (name != "relu")
    fail("activation_type '{}'", name);
  if (!(out.limit >= 0)) fail("swiglu_limit {}", out.limit);
  if (out.fusion < 0 || out.fusion > 2) fail("swiglu_fusion {}", out.fusion);
  if (out.kind != Kind::swiglu) out.fusion = 0;
  return out;
}

template <class T>
T plain(const Activation& a, T x) {
  switch (a.kind) {
    case Kind::relu:
      return x > 0 || x != x ? x : T{0};
    case Kind::gelu:
      return T(0.5) * x * (1 + std::tanh(T(0.7978845608028654) * (x + T(0.044715) * x * x * x)));
    case Kind::silu:
      return x / (1 + std::exp(-x));
    default:
      return x;
  }
}

template <class T>
T swiglu(const Activation& a, T gate, T linear) {
  const T limit = static_cast<T>(a.limit);
  gate = std::min(gate, limit);
  linear = std::clamp(linear, -limit, limit);
  return gate / (1 + std::exp(-static_cast<T>(a.alpha) * gate)) * (linear + static_cast<T>(a.beta));
}

// ---------------------------------------------------------------- weights

// The weights of one of an expert's matrices, [experts, rows, columns], as floats when asked for.
template <class T>
class Experts {
 public:
  // Floats.
  Experts(const Tensor& w, const Tensor* bias)
      : rows_(w.dims.at(1)), columns_(w.dims[2]), plain_(convert(w, dtype_of<T>)) {
    take_bias(w.dims[0], bias);
  }
  // Codes of `bits` packed from the low bits on; scales by row, or by block of columns in a third axis.
  Experts(const Tensor& w, const Tensor& scales, const Tensor* zeros, const Tensor* bias, int bits,
          int64_t block)
      : rows_(w.dims.at(1)),
        columns_(checked_mul(w.dims[2], 8 / bits)),
        bits_(bits),
        codes_(w.data<uint8_t>().data()) {
    const bool blocks = scales.rank() == 3 && scales.dims[2] > 1;
    if (blocks && block < 1) fail("scales of {} blocks and no block_size", scales.dims[2]);
    block_ = blocks ? block : std::max<int64_t>(columns_, 1);
    per_row_ = (columns_ + block_ - 1) / block_;
    if (scales.count() != checked_mul(w.dims[0], checked_mul(rows_, std::max<int64_t>(per_row_, 1))))
      fail("{} scales for {} experts of {} x {}", scales.count(), w.dims[0], rows_, columns_);
    scales_ = convert(scales, dtype_of<T>);
    const int64_t pack = 8 / bits;
    zeros_per_row_ = blocks ? (per_row_ + pack - 1) / pack : 0;
    zeros_per_expert_ = blocks ? rows_ * zeros_per_row_ : (rows_ + pack - 1) / pack;
    if (zeros != nullptr) {
      if (zeros->dtype != DType::U8 || zeros->count() != w.dims[0] * zeros_per_expert_)
        fail("{} bytes of zero points, not {}", zeros->count(), w.dims[0] * zeros_per_expert_);
      zeros_ = zeros->data<uint8_t>().data();
    }
    take_bias(w.dims[0], bias);
  }

  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }

  // y[tokens, rows] = x[tokens, columns] w^T + bias
  void apply(int64_t expert, const std::vector<T>& x, int64_t tokens, std::vector<T>& y) {
    y.resize(static_cast<size_t>(tokens * rows_));
    const T keep = bias_.defined() ? 1 : 0;
    if (bias_.defined())
      for (int64_t t = 0; t < tokens; ++t)
        std::copy_n(bias_.data<T>().data() + expert * rows_, rows_, y.data() + t * rows_);
    gemm_batch(Gemm<T>{false, true, tokens, rows_, columns_, 1, keep, columns_, columns_, rows_}, x.data(),
               matrix(expert), y.data(), {{0, 0, 0}});
  }

 private:
  void take_bias(int64_t experts, const Tensor* bias) {
    if (bias == nullptr) return;
    if (bias->count() != experts * rows_)
      fail("a bias of {} for {} experts of {} rows", bias->count(), experts, rows_);
    bias_ = convert(*bias, dtype_of<T>);
  }

  const T* matrix(int64_t expert) {
    if (codes_ == nullptr) return plain_.data<T>().data() + expert * rows_ * columns_;
    dense_.resize(static_cast<size_t>(rows_ * columns_));
    const T* scales = scales_.data<T>().data() + expert * rows_ * per_row_;
    const uint8_t* codes = codes_ + expert * rows_ * columns_ * bits_ / 8;
    for (int64_t r = 0; r < rows_; ++r)
      for (int64_t i = 0; i < columns_; ++i) {
        const int64_t at = r * columns_ + i;
        dense_[static_cast<size_t>(at)] =
            (static_cast<T>(code_at(codes, at, bits_)) - zero(expert, r, i / block_)) *
            scales[r * per_row_ + i / block_];
      }
    return dense_.data();
  }
  T zero(int64_t expert, int64_t row, int64_t block) const {
    if (zeros_ == nullptr) return static_cast<T>(1 << (bits_ - 1));
    const uint8_t* z = zeros_ + expert * zeros_per_expert_ + row * zeros_per_row_;
    return static_cast<T>(code_at(z, zeros_per_row_ > 0 ? block : row, bits_));
  }

  int64_t rows_, columns_;
  Tensor plain_, bias_, scales_;
  int bits_ = 8;
  const uint8_t *codes_ = nullptr, *zeros_ = nullptr;
  int64_t block_ = 1, per_row_ = 1, zeros_per_row_ = 0, zeros_per_expert_ = 0;
  std::vector<T> dense_;
};

// ---------------------------------------------------------------- routing

template <class T>
struct Route {
  int64_t token;
  T weight;
};

// By expert, its tokens in order.
template <class T>
std::vector<std::vector<Route<T>>> route(EvalCtx& c, const Tensor& scores, const Tensor* given,
                                         bool over_all) {
  const int64_t tokens = scores.dims[0], experts = scores.dims[1], k = c.attrs().i("k", 1);
  if (k < 1 || k > experts) fail("k = {} of {} experts", k, experts);
  const bool normalize = c.attrs().i("normalize_routing_weights", 0) != 0;
  const auto n = static_cast<size_t>(experts), top = static_cast<size_t>(k);
  std::vector<std::vector<Route<T>>> routes(n);
  std::vector<size_t> order(n);
  std::vector<T> weight(n);
  for (int64_t t = 0; t < tokens; ++t) {
    const T* s = scores.data<T>().data() + t * experts;
    std::iota(order.begin(), order.end(), size_t{0});
    const auto key = [&](size_t i) { return s[i] == s[i] ? s[i] : -std::numeric_limits<T>::infinity(); };
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return key(a) > key(b); });
    const size_t counted = over_all ? n : top;
    T sum = 0;
    for (size_t j = 0; j < counted; ++j) {
      weight[j] = given != nullptr ? given->data<T>()[static_cast<size_t>(t) * n + order[j]]
                                   : std::exp(s[order[j]] - s[order[0]]);
      sum += weight[j];
    }
    if (over_all && normalize)
      sum = std::accumulate(weight.begin(), weight.begin() + static_cast<std::ptrdiff_t>(k), T{0});
    const bool divides = given == nullptr || normalize;
    for (size_t j = 0; j < top; ++j)
      routes[order[j]].push_back({t, divides ? (sum == 0 ? T{0} : weight[j] / sum) : weight[j]});
  }
  return routes;
}

// ---------------------------------------------------------------- kernels

template <class T>
struct Layers {
  Experts<T> fc1, fc2;
  std::optional<Experts<T>> fc3;
};

template <class T>
void run_experts(EvalCtx& c, Layers<T>& l, const Tensor* weights, bool over_all) {
  const Activation act = activation_of(c.attrs());
  if (c.attrs().i("use_sparse_mixer", 0) != 0) fail("use_sparse_mixer is not supported");
  const Tensor x = convert(c.in(0), dtype_of<T>), scores = convert(c.in(1), dtype_of<T>);
  if (x.rank() != 2 && x.rank() != 3) fail("an input of rank {}", x.rank());
  const int64_t hidden = x.dims.back(), tokens = hidden == 0 ? 0 : x.count() / hidden;
  if (scores.rank() != 2 || scores.dims[0] != tokens) fail("router_probs are not [{}, experts]", tokens);
  const bool split = act.kind == Kind::swiglu && act.fusion != 0;
  const int64_t inner = split ? l.fc1.rows() / 2 : l.fc1.rows();
  if (act.kind == Kind::swiglu && !split && !l.fc3) fail("swiglu without swiglu_fusion needs fc3");
  if (split && (l.fc1.rows() % 2 != 0 || l.fc3))
    fail("a fused swiglu needs an even number of rows in fc1, and no fc3");
  const bool fits = l.fc1.columns() == hidden && l.fc2.rows() == hidden && l.fc2.columns() == inner &&
                    (!l.fc3 || (l.fc3->rows() == inner && l.fc3->columns() == hidden));
  if (!fits)
    fail("fc1 [{}, {}] and fc2 [{}, {}] do not fit {} features", l.fc1.rows(), l.fc1.columns(), l.fc2.rows(),
         l.fc2.columns(), hidden);
  Tensor y = Tensor::make(dtype_of<T>, x.dims);
  T* py = y.mutable_data<T>().data();
  const auto routes = route<T>(c, scores, weights, over_all);
  std::vector<T> in, first, third, out;
  for (size_t e = 0; e < routes.size(); ++e) {
    const auto n = static_cast<int64_t>(routes[e].size()), expert = static_cast<int64_t>(e);
    if (n == 0) continue;
    in.clear();
    for (const Route<T>& r : routes[e]) {
      const T* row = x.data<T>().data() + r.token * hidden;
      in.insert(in.end(), row, row + hidden);
    }
    l.fc1.apply(expert, in, n, first);
    if (l.fc3) l.fc3->apply(expert, in, n, third);
    in.resize(static_cast<size_t>(n * inner));
    for (int64_t t = 0; t < n; ++t)
      for (int64_t i = 0; i < inner; ++i) {
        const auto at = static_cast<size_t>(t * inner + i);
        const T* row = first.data() + t * l.fc1.rows();
        if (split)
          in[at] =
              act.fusion == 1 ? swiglu(act, row[2 * i], row[2 * i + 1]) : swiglu(act, row[i], row[inner + i]);
        else if (act.kind == Kind::swiglu)
          in[at] = swiglu(act, row[i], third[at]);
        else
          in[at] = plain(act, row[i]) * (l.fc3 ? third[at] : T{1});
      }
    l.fc2.apply(expert, in, n, out);
    for (int64_t t = 0; t < n; ++t) {
      const Route<T>& r = routes[e][static_cast<size_t>(t)];
      for (int64_t i = 0; i < hidden; ++i)
        py[r.token * hidden + i] += r.weight * out[static_cast<size_t>(t * hidden + i)];
    }
  }
  set_rounded(c, 0, y, c.in(0).dtype);
}

void check_experts(const Tensor& w, const Tensor& scores) {
  if (scores.rank() != 2) fail("router_probs have rank {}", scores.rank());
  if (w.rank() != 3 || w.dims[0] != scores.dims[1])
    fail("weights are not those of {} experts", scores.dims[1]);
}

void eval_moe(EvalCtx& c) {
  for (const size_t i : {2, 4, 6})
    if (i != 6 || c.has(i)) check_experts(c.in(i), c.in(1));
  with_float(float_compute_type({&c.in(0), &c.in(2)}), [&]<class T>() {
    Layers<T> l{Experts<T>(c.in(2), c.maybe(3)), Experts<T>(c.in(4), c.maybe(5)), std::nullopt};
    if (c.has(6)) l.fc3.emplace(c.in(6), c.maybe(7));
    run_experts<T>(c, l, nullptr, true);
  });
}

// Inputs of fc1, fc2, fc3: weights, scales, bias at 2, 5, 8; zero points at 11, 12, 13.
template <class T>
Experts<T> quantized(EvalCtx& c, size_t layer) {
  const size_t at = 2 + 3 * layer;
  const Tensor& w = c.in(at);
  if (w.dtype != DType::U8) fail("weights of type {} are not supported", onnx_name(w.dtype));
  check_experts(w, c.in(1));
  const int64_t bits =
      c.attrs().i(fmt::format("fc{}_expert_weight_bits", layer + 1), c.attrs().i("expert_weight_bits", 4));
  if (bits != 2 && bits != 4 && bits != 8) fail("{} bits a weight", bits);
  return Experts<T>(w, c.in(at + 1), c.maybe(11 + layer), c.maybe(at + 2), static_cast<int>(bits),
                    c.attrs().i("block_size", 0));
}

void eval_qmoe(EvalCtx& c) {
  const std::string type = c.attrs().s("quant_type", "int");
  if (type != "int") fail("quant_type '{}' is not supported", type);
  if (c.attrs().i("weights_prepacked", 0) > 0) fail("prepacked weights are not supported");
  for (size_t i = 15; i < c.inputs(); ++i)
    if (c.has(i)) fail("input {} is not supported with integer weights", i);
  with_float(float_compute_type({&c.in(0), &c.in(3)}), [&]<class T>() {
    Layers<T> l{quantized<T>(c, 0), quantized<T>(c, 1), std::nullopt};
    if (c.has(8)) l.fc3.emplace(quantized<T>(c, 2));
    Tensor weights;
    if (c.has(14)) {
      weights = convert(c.in(14), dtype_of<T>);
      if (weights.dims != c.in(1).dims) fail("router_weights are not of router_probs' shape");
    }
    run_experts<T>(c, l, c.has(14) ? &weights : nullptr, false);
  });
}

}  // namespace

void register_contrib_moe(OpRegistry& r) {
  r.add({kMicrosoft, "MoE", infer_moe, eval_moe});
  r.add({kMicrosoft, "QMoE", infer_moe, eval_qmoe});
}

}  // namespace lathe
