// GRU (Cho et al., 2014), RNN.
#include "ir/base/work_vector.h"
#include "ir/ops/op_def.h"
#include "ir/ops/rnn/recurrent.h"

namespace lathe {
namespace {

enum Gate { kUpdate, kReset, kHidden };  // the order of the weights

template <class T>
void run_gru(EvalCtx& c) {
  const Recurrence<T> n(c, 3);
  const auto f = recurrent_activations(c.attrs(), {"Sigmoid", "Tanh"}, n.directions);
  // Whether the reset gate acts on the state's product or on the state before it.
  const bool reset_after = c.attrs().i("linear_before_reset", 0) != 0;
  WorkVector<T> hr(static_cast<size_t>(n.batch * 3 * n.hidden)), reset_state(static_cast<size_t>(n.hidden)),
      product(static_cast<size_t>(n.hidden));
  const auto begin = [&](size_t d, int64_t, const T* h) { n.recur(d, 0, 3, h, hr.data()); };
  const auto step = [&](size_t d, int64_t b, const T* xw, T* h) {
    const T* r = hr.data() + b * 3 * n.hidden;
    const RecurrentActivation &gate = f[d * 2], &inner = f[d * 2 + 1];
    const auto bias = [&](int64_t g, int64_t which, int64_t i) {
      const T* v = n.bias_of(d, g, which);
      return v != nullptr ? v[i] : T(0);
    };
    const auto gated = [&](int64_t g, int64_t i) {
      return gate(n.clipped(xw[g * n.hidden + i] + r[g * n.hidden + i] + bias(g, 0, i) + bias(g, 1, i)));
    };
    if (!reset_after) {
      for (int64_t i = 0; i < n.hidden; ++i) reset_state[static_cast<size_t>(i)] = gated(kReset, i) * h[i];
      const T* weights =
          n.r.template data<T>().data() + (static_cast<int64_t>(d) * 3 + kHidden) * n.hidden * n.hidden;
      for (int64_t i = 0; i < n.hidden; ++i) {
        T sum = 0;
        for (int64_t k = 0; k < n.hidden; ++k)
          sum += weights[i * n.hidden + k] * reset_state[static_cast<size_t>(k)];
        product[static_cast<size_t>(i)] = sum + bias(kHidden, 1, i);
      }
    } else {
      for (int64_t i = 0; i < n.hidden; ++i)
        product[static_cast<size_t>(i)] =
            gated(kReset, i) * (r[kHidden * n.hidden + i] + bias(kHidden, 1, i));
    }
    for (int64_t i = 0; i < n.hidden; ++i) {
      const T fresh = inner(
          n.clipped(xw[kHidden * n.hidden + i] + product[static_cast<size_t>(i)] + bias(kHidden, 0, i)));
      const T z = gated(kUpdate, i);
      h[i] = (T(1) - z) * fresh + z * h[i];
    }
  };
  n.run(c, begin, step, c.in(0).dtype);
}

template <class T>
void run_rnn(EvalCtx& c) {
  const Recurrence<T> n(c, 1);
  const auto f = recurrent_activations(c.attrs(), {"Tanh"}, n.directions);
  WorkVector<T> hr(static_cast<size_t>(n.batch * n.hidden));
  const auto begin = [&](size_t d, int64_t, const T* h) { n.recur(d, 0, 1, h, hr.data()); };
  const auto step = [&](size_t d, int64_t b, const T* xw, T* h) {
    const T *r = hr.data() + b * n.hidden, *wb = n.bias_of(d, 0, 0), *rb = n.bias_of(d, 0, 1);
    for (int64_t i = 0; i < n.hidden; ++i)
      h[i] = f[d](n.clipped(xw[i] + r[i] + (wb != nullptr ? wb[i] + rb[i] : T(0))));
  };
  n.run(c, begin, step, c.in(0).dtype);
}

void eval_gru(EvalCtx& c) {
  with_float(float_compute_type({&c.in(0), &c.in(1), &c.in(2)}), [&]<class T>() { run_gru<T>(c); });
}
void eval_rnn(EvalCtx& c) {
  with_float(float_compute_type({&c.in(0), &c.in(1), &c.in(2)}), [&]<class T>() { run_rnn<T>(c); });
}

}  // namespace

void register_gru(OpRegistry& r) {
  r.add({"", "GRU", [](InferCtx& c) { infer_recurrent(c, 1); }, eval_gru});
  r.add({"", "RNN", [](InferCtx& c) { infer_recurrent(c, 1); }, eval_rnn});
}

}  // namespace lathe
