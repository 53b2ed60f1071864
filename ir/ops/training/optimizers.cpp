// Adagrad, Adam and Momentum of ai.onnx.preview.training: one step of each for any number of tensors. Inputs
// are R (learning rate), T (steps done), then all X, all G (gradients) and all of each state; outputs all new
// X and all new states.
#include <array>
#include <cmath>

#include "ir/ops/elementwise.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

constexpr size_t kLead = 2;  // R and T

struct Step {
  double rate;
  int64_t t;
};

Step step_of(const EvalCtx& c) {
  const Tensor &r = c.in(0), &t = c.in(1, DType::I64);
  if (r.count() != 1 || t.count() != 1) fail("R and T must be one number each");
  if (!lists<WideFloats>(r.dtype)) fail("R has element type {}", onnx_name(r.dtype));
  return {r.as_double(0), t.as_i64(0)};
}

// How many tensors are optimized, with so many states each.
size_t tensors(size_t inputs, size_t states) {
  const size_t each = 2 + states;
  if (inputs <= kLead || (inputs - kLead) % each != 0)
    fail("{} inputs are not R, T and {} for each tensor", inputs, each);
  return (inputs - kLead) / each;
}

// Calls update(x, g, states...) for each element; it returns the new x and changes the states in place.
template <size_t States, class Update>
void optimize(EvalCtx& c, const Update& update) {
  const size_t n = tensors(c.inputs(), States);
  for (size_t k = 0; k < n; ++k) {
    const Tensor& x = c.in(kLead + k);
    std::array<const Tensor*, 1 + States> rest;  // G and the states
    for (size_t j = 0; j < rest.size(); ++j) {
      rest[j] = &c.in(kLead + (j + 1) * n + k, x.dtype);
      if (rest[j]->dims != x.dims) fail("input {} is not of X's shape", kLead + (j + 1) * n + k);
    }
    dispatch<WideFloats>(x.dtype, [&]<class T>() {
      T* out = c.out(k, x.dtype, x.dims).template mutable_data<T>().data();
      std::array<T*, States> next;
      for (size_t j = 0; j < States; ++j)
        next[j] = c.out((j + 1) * n + k, x.dtype, x.dims).template mutable_data<T>().data();
      const T *px = x.template data<T>().data(), *pg = rest[0]->template data<T>().data();
      for (int64_t i = 0; i < x.count(); ++i) {
        std::array<double, States> state;
        for (size_t j = 0; j < States; ++j)
          state[j] = rest[j + 1]->template data<T>()[static_cast<size_t>(i)];
        out[i] = static_cast<T>(update(double{px[i]}, double{pg[i]}, state));
        for (size_t j = 0; j < States; ++j) next[j][i] = static_cast<T>(state[j]);
      }
    });
  }
}

void eval_adagrad(EvalCtx& c) {
  const Step step = step_of(c);
  const double decay = c.attrs().f("decay_factor", 0), epsilon = c.attrs().f("epsilon", 1e-6f),
               norm = c.attrs().f("norm_coefficient", 0);
  const double rate = step.rate / (1 + static_cast<double>(step.t) * decay);
  optimize<1>(c, [&](double x, double g, std::array<double, 1>& s) {
    g += norm * x;
    s[0] += g * g;
    return x - rate * g / (std::sqrt(s[0]) + epsilon);
  });
}

void eval_adam(EvalCtx& c) {
  const Step step = step_of(c);
  const double alpha = c.attrs().f("alpha", 0.9f), beta = c.attrs().f("beta", 0.999f),
               epsilon = c.attrs().f("epsilon", 1e-6f), norm = c.attrs().f("norm_coefficient", 0),
               post = c.attrs().f("norm_coefficient_post", 0);
  const auto t = static_cast<double>(step.t);
  const double rate =
      step.t > 0 ? step.rate * std::sqrt(1 - std::pow(beta, t)) / (1 - std::pow(alpha, t)) : step.rate;
  optimize<2>(c, [&](double x, double g, std::array<double, 2>& s) {
    g += norm * x;
    s[0] = alpha * s[0] + (1 - alpha) * g;
    s[1] = beta * s[1] + (1 - beta) * g * g;
    return (1 - post) * (x - rate * s[0] / (std::sqrt(s[1]) + epsilon));
  });
}

void eval_momentum(EvalCtx& c) {
  const Step step = step_of(c);
  const std::string mode = c.attrs().s("mode", "");
  if (mode != "standard" && mode != "nesterov") fail("mode '{}' is neither standard nor nesterov", mode);
  const double alpha = c.attrs().f("alpha", 0), norm = c.attrs().f("norm_coefficient", 0),
               beta = step.t > 0 ? c.attrs().f("beta", 1) : 1;
  optimize<1>(c, [&](double x, double g, std::array<double, 1>& s) {
    g += norm * x;
    s[0] = alpha * s[0] + beta * g;
    return x - step.rate * (mode == "nesterov" ? g + alpha * s[0] : s[0]);
  });
}

template <size_t States>
void infer_optimizer(InferCtx& c) {
  const size_t each = 2 + States;
  if (c.inputs() <= kLead || (c.inputs() - kLead) % each != 0)
    c.contradiction(fmt::format("{} inputs are not R, T and {} for each tensor", c.inputs(), each));
  const size_t n = (c.inputs() - kLead) / each;
  for (size_t i = 0; i < (1 + States) * n && i < c.outputs(); ++i)
    if (const Type& t = c.type(kLead + i % n); t.is_tensor()) c.out(i, t.dtype, t.shape);
}

}  // namespace

void register_optimizers(OpRegistry& r) {
  const auto add = [&](const char* type, void (*infer)(InferCtx&), void (*eval)(EvalCtx&)) {
    r.add({.domain = "ai.onnx.preview.training", .type = type, .infer = infer, .eval = eval});
  };
  add("Adagrad", infer_optimizer<1>, eval_adagrad);
  add("Adam", infer_optimizer<2>, eval_adam);
  add("Momentum", infer_optimizer<1>, eval_momentum);
}

}  // namespace lathe
