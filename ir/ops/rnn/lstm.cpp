// LSTM. Hochreiter and Schmidhuber, "Long short-term memory", with peepholes (Gers and Schmidhuber).
#include "ir/ops/op_def.h"
#include "ir/ops/rnn/recurrent.h"

namespace lathe {
namespace {

enum Gate { kIn, kOut, kForget, kCell };  // the order of the weights

template <class T>
void run(EvalCtx& c) {
  const Recurrence<T> n(c, 4);
  const auto f = recurrent_activations(c.attrs(), {"Sigmoid", "Tanh", "Tanh"}, n.directions);
  const bool coupled = c.attrs().i("input_forget", 0) != 0;
  const DType dtype = c.in(0).dtype;
  Tensor peep;
  if (const Tensor* p = c.maybe(7)) {
    if (p->dims != std::vector<int64_t>{static_cast<int64_t>(n.directions), 3 * n.hidden})
      fail("P does not fit");
    peep = convert(*p, dtype_of<T>);
  }
  Tensor initial = n.state(c, 6), cells = Tensor::uninitialized(dtype_of<T>, initial.dims);
  std::copy_n(initial.template data<T>().data(), initial.count(), cells.mutable_data<T>().data());

  std::vector<T> hr(static_cast<size_t>(n.batch * 4 * n.hidden));
  const auto begin = [&](size_t d, const T* h) { n.recur(d, 0, 4, h, hr.data()); };
  const auto step = [&](size_t d, int64_t b, const T* xw, T* h) {
    const T* r = hr.data() + b * 4 * n.hidden;
    T* cell = cells.mutable_data<T>().data() + (static_cast<int64_t>(d) * n.batch + b) * n.hidden;
    // Peepholes are stored in the order of the gates in, out, forget.
    const T* p =
        peep.defined() ? peep.template data<T>().data() + static_cast<int64_t>(d) * 3 * n.hidden : nullptr;
    const RecurrentActivation &gate = f[d * 3], &inner = f[d * 3 + 1], &outer = f[d * 3 + 2];
    const auto total = [&](int64_t g, int64_t i) {
      T v = xw[g * n.hidden + i] + r[g * n.hidden + i];
      if (const T* w = n.bias_of(d, g, 0)) v += w[i] + n.bias_of(d, g, 1)[i];
      return v;
    };
    for (int64_t i = 0; i < n.hidden; ++i) {
      const T old = cell[i];
      const T in = gate(n.clipped(total(kIn, i) + (p != nullptr ? p[kIn * n.hidden + i] * old : T(0))));
      const T forget =
          coupled
              ? T(1) - in
              : gate(n.clipped(total(kForget, i) + (p != nullptr ? p[kForget * n.hidden + i] * old : T(0))));
      cell[i] = forget * old + in * inner(n.clipped(total(kCell, i)));
      const T out =
          gate(n.clipped(total(kOut, i) + (p != nullptr ? p[kOut * n.hidden + i] * cell[i] : T(0))));
      h[i] = out * outer(cell[i]);
    }
  };
  n.run(c, begin, step, dtype);
  n.set_state(c, 2, cells, dtype);
}

void eval_lstm(EvalCtx& c) {
  with_float(float_compute_type({&c.in(0), &c.in(1), &c.in(2)}), [&]<class T>() { run<T>(c); });
}

}  // namespace

void register_lstm(OpRegistry& r) {
  r.add({"", "LSTM", [](InferCtx& c) { infer_recurrent(c, 2); }, eval_lstm});
}

}  // namespace lathe
