#include "ir/ops/rnn/recurrent.h"

#include <algorithm>
#include <cctype>

#include "ir/ops/math/gemm_kernel.h"
#include "ir/ops/quant/affine.h"
#include "ir/ops/relations.h"
#include "ir/ops/tensor/args.h"

namespace lathe {
namespace {

size_t direction_count(const Attrs& attrs) {
  const std::string d = attrs.s("direction", "forward");
  if (d != "forward" && d != "reverse" && d != "bidirectional") fail("direction {}", d);
  return d == "bidirectional" ? 2 : 1;
}

// Swaps the first two axes of a rank-3 tensor.
template <class T>
Tensor swap_first(const Tensor& t) {
  Tensor out = Tensor::uninitialized(t.dtype, {t.dims[1], t.dims[0], t.dims[2]});
  const T* from = t.data<T>().data();
  T* to = out.mutable_data<T>().data();
  for (int64_t i = 0; i < t.dims[0]; ++i)
    for (int64_t j = 0; j < t.dims[1]; ++j)
      std::copy_n(from + (i * t.dims[1] + j) * t.dims[2], t.dims[2], to + (j * t.dims[0] + i) * t.dims[2]);
  return out;
}

struct Named {
  const char* name;
  RecurrentActivation f;
  int parameters;
};
using A = RecurrentActivation;
constexpr Named kActivations[] = {
    {"relu", {A::relu}, 0},
    {"tanh", {A::tanh}, 0},
    {"sigmoid", {A::sigmoid}, 0},
    {"affine", {A::affine, 1, 0}, 2},
    {"leakyrelu", {A::leaky_relu, 0.01}, 1},
    {"thresholdedrelu", {A::thresholded_relu, 1}, 1},
    {"scaledtanh", {A::scaled_tanh, 1, 1}, 2},
    {"hardsigmoid", {A::hard_sigmoid, 0.2, 0.5}, 2},
    {"elu", {A::elu, 1}, 1},
    {"softsign", {A::softsign}, 0},
    {"softplus", {A::softplus}, 0},
};

}  // namespace

std::vector<RecurrentActivation> recurrent_activations(const Attrs& attrs,
                                                       const std::vector<std::string>& defaults,
                                                       size_t directions) {
  std::vector<std::string> names = attrs.strings("activations");
  const size_t want = defaults.size() * directions;
  if (names.empty())
    for (size_t d = 0; d < directions; ++d) names.insert(names.end(), defaults.begin(), defaults.end());
  if (names.size() != want) fail("{} activations, not {}", names.size(), want);
  const auto alphas = attrs.floats("activation_alpha"), betas = attrs.floats("activation_beta");
  size_t alpha = 0, beta = 0;
  std::vector<RecurrentActivation> out;
  for (std::string name : names) {
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char ch) { return static_cast<char>(std::tolower(ch)); });
    const auto* known = std::find_if(std::begin(kActivations), std::end(kActivations),
                                     [&](const Named& n) { return n.name == name; });
    if (known == std::end(kActivations)) fail("activation {}", name);
    RecurrentActivation f = known->f;
    // Each function that has parameters takes the next ones of the lists.
    if (known->parameters > 0 && alpha < alphas.size()) f.alpha = static_cast<double>(alphas[alpha++]);
    if (known->parameters > 1 && beta < betas.size()) f.beta = static_cast<double>(betas[beta++]);
    out.push_back(f);
  }
  return out;
}

void infer_recurrent(InferCtx& c, size_t state_outputs, size_t hidden_axis) {
  const Shape *x = c.shape(0), *r = c.shape(2);
  if (x != nullptr && x->size() != 3) c.contradiction(fmt::format("X has rank {}, not 3", x->size()));
  const bool batch_first = c.attrs().i("layout", 0) != 0;
  const Dim steps = x != nullptr ? (*x)[batch_first ? 1 : 0] : Dim::unknown(),
            batch = x != nullptr ? (*x)[batch_first ? 0 : 1] : Dim::unknown();
  const auto d = static_cast<int64_t>(direction_count(c.attrs()));
  const int64_t size = c.attrs().i("hidden_size", 0);
  const Dim hidden = size > 0                         ? Dim(size)
                     : r != nullptr && r->size() == 3 ? (*r)[hidden_axis]
                                                      : Dim::unknown();
  for (size_t i = 0; i < state_outputs; ++i)  // initial_h, initial_c
    if (const Shape* s = c.shape(5 + i); s != nullptr && s->size() == 3)
      must_equal(c, batch, (*s)[batch_first ? 0 : 1]);
  c.out(0, c.dtype(0), batch_first ? Shape{batch, steps, d, hidden} : Shape{steps, d, batch, hidden});
  for (size_t i = 1; i <= state_outputs; ++i)
    c.out(i, c.dtype(0), batch_first ? Shape{batch, d, hidden} : Shape{d, batch, hidden});
}

template <class T>
Recurrence<T>::Recurrence(EvalCtx& c, int64_t gate_count) : gates(gate_count) {
  const DType t = dtype_of<T>;
  const Tensor &tx = c.in(0), &tw = c.in(1), &tr = c.in(2);
  directions = direction_count(c.attrs());
  reverse_first = c.attrs().s("direction", "forward") == "reverse";
  batch_first = c.attrs().i("layout", 0) != 0;
  clip = static_cast<double>(c.attrs().f("clip", 0));
  if (tx.rank() != 3 || tw.rank() != 3 || tr.rank() != 3) fail("X, W and R must have rank 3");
  x = convert(tx, t);
  if (batch_first) x = swap_first<T>(x);
  steps = x.dims[0];
  batch = x.dims[1];
  inputs = x.dims[2];
  hidden = tr.dims[2];
  const int64_t asked = c.attrs().i("hidden_size", hidden), d = static_cast<int64_t>(directions);
  if (hidden < 1 || asked != hidden || tw.dims != std::vector<int64_t>{d, gates * hidden, inputs} ||
      tr.dims != std::vector<int64_t>{d, gates * hidden, hidden})
    fail("W and R do not fit {} inputs, {} hidden and {} directions", inputs, asked, d);
  w = convert(tw, t);
  r = convert(tr, t);
  if (const Tensor* b = c.maybe(3)) {
    if (b->dims != std::vector<int64_t>{d, 2 * gates * hidden}) fail("B does not fit");
    bias = convert(*b, t);
  }
  lengths.assign(static_cast<size_t>(batch), steps);
  if (const Tensor* l = c.maybe(4)) {
    lengths = read_ints(*l);
    if (static_cast<int64_t>(lengths.size()) != batch)
      fail("{} sequence lengths for a batch of {}", lengths.size(), batch);
    for (const int64_t n : lengths)
      if (n < 0 || n > steps) fail("a sequence of {} in {} steps", n, steps);
  }
  h0 = state(c, 5);
}

template <class T>
Tensor Recurrence<T>::state(EvalCtx& c, size_t i) const {
  const auto d = static_cast<int64_t>(directions);
  const Tensor* given = c.maybe(i);
  if (given == nullptr) return Tensor::make(dtype_of<T>, {d, batch, hidden});
  const std::vector<int64_t> want =
      batch_first ? std::vector<int64_t>{batch, d, hidden} : std::vector<int64_t>{d, batch, hidden};
  if (given->dims != want)
    fail("an initial state does not fit {} directions, batch {} and {} hidden", d, batch, hidden);
  const Tensor s = convert(*given, dtype_of<T>);
  return batch_first ? swap_first<T>(s) : s;
}

template <class T>
Tensor Recurrence<T>::as_bytes(const T* values, std::vector<int64_t> dims) const {
  const auto n = static_cast<size_t>(element_count(dims));
  const Tensor t = Tensor::of<T>(dtype_of<T>, std::move(dims), std::span(values, n));
  const DynamicScale s = dynamic_scale(convert(t, DType::F32));
  return dequantize(quantize(t, s.scale, &s.zero, DType::U8, {}), s.scale, &s.zero, dtype_of<T>, {});
}

template <class T>
Tensor Recurrence<T>::project(size_t d) const {
  const int64_t n = gates * hidden;
  Tensor out = Tensor::uninitialized(dtype_of<T>, {steps, batch, n});
  const Tensor from = dynamic_bytes ? as_bytes(x.data<T>().data(), x.dims) : x;
  gemm_batch(Gemm<T>{false, true, steps * batch, n, inputs, 1, 0, inputs, inputs, n}, from.data<T>().data(),
             w.data<T>().data() + static_cast<int64_t>(d) * n * inputs, out.mutable_data<T>().data(), {{}});
  return out;
}

template <class T>
void Recurrence<T>::recur(size_t d, int64_t first_gate, int64_t count, const T* h, T* out) const {
  const int64_t n = count * hidden;
  const T* weights = r.data<T>().data() + (static_cast<int64_t>(d) * gates + first_gate) * hidden * hidden;
  const Tensor rounded = dynamic_bytes ? as_bytes(h, {batch, hidden}) : Tensor();
  gemm_batch(Gemm<T>{false, true, batch, n, hidden, 1, 0, hidden, hidden, n},
             dynamic_bytes ? rounded.data<T>().data() : h, weights, out, {{}});
}

template <class T>
void Recurrence<T>::run(EvalCtx& c, const Begin& begin, const Step& step, DType dtype) const {
  const auto dirs = static_cast<int64_t>(directions);
  // Y as [steps, directions, batch, hidden]; what is beyond a sequence's end is zero.
  Tensor y = Tensor::make(dtype_of<T>, batch_first ? std::vector<int64_t>{batch, steps, dirs, hidden}
                                                   : std::vector<int64_t>{steps, dirs, batch, hidden});
  Tensor last = Tensor::uninitialized(dtype_of<T>, {dirs, batch, hidden});
  std::copy_n(h0.data<T>().data(), h0.count(), last.mutable_data<T>().data());
  T* py = y.mutable_data<T>().data();
  for (size_t d = 0; d < directions; ++d) {
    const Tensor xw = project(d);
    T* h = last.mutable_data<T>().data() + static_cast<int64_t>(d) * batch * hidden;
    for (int64_t t = 0; t < steps; ++t) {
      begin(d, t, h);
      for (int64_t b = 0; b < batch; ++b) {
        if (t >= lengths[static_cast<size_t>(b)]) continue;
        const int64_t at = place(d, b, t), dir = static_cast<int64_t>(d);
        step(d, b, xw.data<T>().data() + (at * batch + b) * gates * hidden, h + b * hidden);
        const int64_t row = batch_first ? (b * steps + at) * dirs + dir : (at * dirs + dir) * batch + b;
        std::copy_n(h + b * hidden, hidden, py + row * hidden);
      }
    }
  }
  if (c.wants(0)) c.set(0, convert(y, dtype));
  set_state(c, 1, last, dtype);
}

template <class T>
void Recurrence<T>::set_state(EvalCtx& c, size_t i, const Tensor& t, DType dtype) const {
  if (c.wants(i)) c.set(i, convert(batch_first ? swap_first<T>(t) : t, dtype));
}

template struct Recurrence<float>;
template struct Recurrence<double>;

}  // namespace lathe
