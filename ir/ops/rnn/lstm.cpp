// LSTM, DynamicQuantizeLSTM (com.microsoft). Hochreiter and Schmidhuber, "Long short-term memory", with
// peepholes (Gers and Schmidhuber).
#include "ir/base/work_vector.h"
#include "ir/ops/contrib/shapes.h"
#include "ir/ops/op_def.h"
#include "ir/ops/quant/affine.h"
#include "ir/ops/rnn/recurrent.h"

namespace lathe {
namespace {

enum Gate { kIn, kOut, kForget, kCell };  // the order of the weights

template <class T>
void run(EvalCtx& c, bool dynamic_bytes = false) {
  Recurrence<T> n(c, 4);
  n.dynamic_bytes = dynamic_bytes;
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

  WorkVector<T> hr(static_cast<size_t>(n.batch * 4 * n.hidden));
  WorkVector<T> alive;
  const auto begin = [&](size_t d, int64_t t, const T* h) {
    if (dynamic_bytes) {  // the range of the states is that of the sequences that went on
      alive.assign(h, h + n.batch * n.hidden);
      for (int64_t b = 0; b < n.batch; ++b)
        if (n.lengths[static_cast<size_t>(b)] < t) std::fill_n(alive.data() + b * n.hidden, n.hidden, T(0));
      h = alive.data();
    }
    n.recur(d, 0, 4, h, hr.data());
  };
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

// ---------------------------------------------------------------- DynamicQuantizeLSTM

enum Input { kX, kW, kR, kPeephole = 7, kWScale, kWZero, kRScale, kRZero };

// Weights are stored transposed, [directions, inputs, 4 hidden], with a scale for each direction or column.
Tensor weights(EvalCtx& c, size_t at, size_t scale) {
  const Tensor &w = c.in(at), &s = c.in(scale), &z = c.in(scale + 1);
  if (w.rank() != 3 || (w.dtype != DType::U8 && w.dtype != DType::I8))
    fail("weights are not [directions, inputs, gates] of bytes");
  const int64_t directions = w.dims[0], rows = w.dims[1], columns = w.dims[2];
  const auto fits = [&](const Tensor& t) {
    return t.count() == directions || t.count() == directions * columns;
  };
  if (!fits(s) || !fits(z))
    fail("{} scales and {} zero points for {} columns", s.count(), z.count(), columns);
  const auto scales = s.to_doubles(), zeros = z.to_doubles();
  const auto of = [&](const std::vector<double>& v, int64_t d, int64_t k) {
    return v[static_cast<size_t>(static_cast<int64_t>(v.size()) == directions ? d : d * columns + k)];
  };
  Tensor out = Tensor::uninitialized(DType::F32, {directions, columns, rows});
  float* to = out.mutable_data<float>().data();
  for (int64_t d = 0; d < directions; ++d)
    for (int64_t k = 0; k < columns; ++k)
      for (int64_t i = 0; i < rows; ++i)
        *to++ = static_cast<float>((w.as_double((d * rows + i) * columns + k) - of(zeros, d, k)) *
                                   of(scales, d, k));
  return out;
}

void eval_dynamic_lstm(EvalCtx& c) {
  const Datum w = weights(c, kW, kWScale), r = weights(c, kR, kRScale);
  std::vector<const Datum*> in;
  for (size_t i = 0; i <= kPeephole; ++i) in.push_back(i == kW ? &w : i == kR ? &r : &c.datum(i));
  EvalCtx inner(c.node(), in, c.outputs());
  inner.max_bytes = c.max_bytes;
  run<float>(inner, true);
  c.results() = std::move(inner.results());
}

}  // namespace

void register_lstm(OpRegistry& r) {
  r.add(
      {kMicrosoft, "DynamicQuantizeLSTM", [](InferCtx& c) { infer_recurrent(c, 2, 1); }, eval_dynamic_lstm});
  r.add({"", "LSTM", [](InferCtx& c) { infer_recurrent(c, 2); }, eval_lstm});
}

}  // namespace lathe
