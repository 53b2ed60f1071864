// What LSTM, GRU and RNN share: shapes, directions, sequence lengths, activations, and the products that do
// not depend on the state. The ops give the arithmetic of one step.
#pragma once
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "ir/ops/eval_ctx.h"
#include "ir/ops/infer_ctx.h"
#include "ir/ops/nn/attention_inputs.h"

namespace lathe {

// Types of Y, Y_h and (state_outputs = 2) Y_c. hidden_axis: of R, the one as long as the state.
void infer_recurrent(InferCtx& c, size_t state_outputs, size_t hidden_axis = 2);

// One of ONNX's recurrent activation functions with its parameters.
struct RecurrentActivation {
  enum Kind {
    relu,
    tanh,
    sigmoid,
    affine,
    leaky_relu,
    thresholded_relu,
    scaled_tanh,
    hard_sigmoid,
    elu,
    softsign,
    softplus
  };
  Kind kind = tanh;
  double alpha = 0, beta = 0;

  template <class T>
  T operator()(T x) const {
    const auto a = static_cast<T>(alpha), b = static_cast<T>(beta);
    switch (kind) {
      case relu:
        return x > 0 ? x : T(0);
      case tanh:
        return std::tanh(x);
      case sigmoid:
        return T(1) / (T(1) + std::exp(-x));
      case affine:
        return a * x + b;
      case leaky_relu:
        return x >= 0 ? x : a * x;
      case thresholded_relu:
        return x > a ? x : T(0);
      case scaled_tanh:
        return a * std::tanh(b * x);
      case hard_sigmoid:
        return std::min(T(1), std::max(T(0), a * x + b));
      case elu:
        return x >= 0 ? x : a * (std::exp(x) - T(1));
      case softsign:
        return x / (T(1) + std::abs(x));
      case softplus:
        return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
    }
    return x;
  }
};
// `defaults` names the functions of one direction; with two directions the attribute lists both.
std::vector<RecurrentActivation> recurrent_activations(const Attrs& attrs,
                                                       const std::vector<std::string>& defaults,
                                                       size_t directions);

template <class T>
struct Recurrence {
  int64_t steps = 0, batch = 0, inputs = 0, hidden = 0, gates = 0;
  size_t directions = 1;
  bool reverse_first = false;    // direction = reverse
  bool batch_first = false;      // layout = 1
  bool dynamic_bytes = false;    // operands of products with weights are rounded to 8 bits over their range
  double clip = 0;               // 0: none
  std::vector<int64_t> lengths;  // by batch entry
  Tensor x, w, r, bias,
      h0;  // x as [steps, batch, inputs], h0 as [directions, batch, hidden]; bias, h0 may be undefined

  Recurrence(EvalCtx& c, int64_t gate_count);

  bool reversed(size_t d) const { return d == 1 || reverse_first; }
  // Place in x of the step t of batch entry b.
  int64_t place(size_t d, int64_t b, int64_t t) const {
    return reversed(d) ? lengths[static_cast<size_t>(b)] - 1 - t : t;
  }
  // x W^T of one direction: [steps, batch, gates * hidden], with no bias.
  Tensor project(size_t d) const;
  // out[batch, n] = h r[first_gate ...]^T, n = count * hidden.
  void recur(size_t d, int64_t first_gate, int64_t count, const T* h, T* out) const;
  // Bias of a gate, of the input's (0) or the state's (1) product; null if there is none.
  const T* bias_of(size_t d, int64_t gate, int64_t which) const {
    return bias.defined()
               ? bias.data<T>().data() + ((static_cast<int64_t>(d) * 2 + which) * gates + gate) * hidden
               : nullptr;
  }
  // Optional [directions, batch, hidden] state at input i, brought to that layout; zeros if missing.
  Tensor state(EvalCtx& c, size_t i) const;
  T clipped(T v) const {
    const auto k = static_cast<T>(clip);
    return clip > 0 ? std::min(k, std::max(-k, v)) : v;
  }

  // Runs every direction. step(d, b, xw, h) computes entry b's new state in place from its projected input;
  // begin(d, t, h) is called before each time step with the states of the whole batch.
  using Begin = std::function<void(size_t d, int64_t t, const T* h)>;
  using Step = std::function<void(size_t d, int64_t b, const T* xw, T* h)>;
  void run(EvalCtx& c, const Begin& begin, const Step& step, DType dtype) const;
  // Sets output i from [directions, batch, hidden].
  void set_state(EvalCtx& c, size_t i, const Tensor& t, DType dtype) const;

 private:
  // Quantized and back.
  Tensor as_bytes(const T* values, std::vector<int64_t> dims) const;
};

}  // namespace lathe
