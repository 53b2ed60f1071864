// Arithmetic on one tensor, element by element. Activations with parameters are in nn/activations.cpp.
#include <cmath>
#include <limits>

#include "ir/ops/elementwise.h"
#include "ir/ops/fast_math.h"
#include "ir/ops/fast_math_rows.h"
#include "ir/ops/int_math.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

template <class C>
C absolute(C x) {
  if constexpr (std::is_floating_point_v<C>)
    return std::abs(x);
  else if constexpr (std::is_unsigned_v<C>)
    return x;
  else
    return x < 0 ? wrap_neg(x) : x;
}
template <class C>
C sign(C x) {
  return x != x ? x : static_cast<C>((x > 0) - (x < 0));
}
template <class C>
C relu(C x) {
  return x > 0 || x != x ? x : C{0};
}

void exp_values(const float* x, float* y, int64_t n) { exp_row(x, 0, y, n); }

std::optional<Dim> abs_dim(Dim d) {
  if (d.is_const()) return Dim(wrap_neg(d.value()) > 0 ? -d.value() : d.value());
  return Dim::provably_ge(d, 0) ? std::optional(d) : std::nullopt;
}
std::optional<Dim> neg_dim(Dim d) { return Dim(0) - d; }
std::optional<Dim> sign_dim(Dim d) {
  if (d.is_const()) return Dim((d.value() > 0) - (d.value() < 0));
  return Dim::provably_ge(d, 1) ? std::optional(Dim(1)) : std::nullopt;
}
std::optional<Dim> relu_dim(Dim d) {
  if (d.is_const()) return Dim(std::max<int64_t>(d.value(), 0));
  return Dim::provably_ge(d, 0) ? std::optional(d) : std::nullopt;
}

}  // namespace

void register_elementwise_unary(OpRegistry& r) {
  const auto row = [&r](const char* type, auto eval, Exactness exactness = Exactness::rounding,
                        void (*infer)(InferCtx&) = infer_unary<>) {
    r.add({.domain = "",
           .type = type,
           .infer = infer,
           .eval = eval,
           .exactness = exactness,
           .elementwise = true});
  };
  using Signed = Concat<Floats, SignedInts>;
  row("Abs", eval_unary<decltype([](auto x) { return absolute(x); }), Numbers>, Exactness::bitwise,
      infer_unary<abs_dim>);
  row("Neg", eval_unary<decltype([](auto x) { return wrap_neg(x); }), Signed>, Exactness::bitwise,
      infer_unary<neg_dim>);
  row("Sign", eval_unary<decltype([](auto x) { return sign(x); }), Numbers>, Exactness::bitwise,
      infer_unary<sign_dim>);
  row("Relu", eval_unary<decltype([](auto x) { return relu(x); }), Signed>, Exactness::bitwise,
      infer_unary<relu_dim>);
  row("Ceil", eval_unary<decltype([](auto x) { return std::ceil(x); }), Floats>, Exactness::bitwise);
  row("Floor", eval_unary<decltype([](auto x) { return std::floor(x); }), Floats>, Exactness::bitwise);
  row("Round", eval_unary<decltype([](auto x) { return std::nearbyint(x); }), Floats>,
      Exactness::bitwise);  // halves to even
  row("Sqrt", eval_unary<decltype([](auto x) { return std::sqrt(x); }), Floats>);
  row("Reciprocal", eval_unary<decltype([](auto x) { return 1 / x; }), Floats>);
  row("Exp", eval_unary_rows<decltype([](auto x) { return fast_exp(x); }), Floats, exp_values>);
  row("Log", eval_unary<decltype([](auto x) { return std::log(x); }), Floats>);
  row("Sin", eval_unary<decltype([](auto x) { return std::sin(x); }), Floats>);
  row("Cos", eval_unary<decltype([](auto x) { return std::cos(x); }), Floats>);
  row("Tan", eval_unary<decltype([](auto x) { return std::tan(x); }), Floats>);
  row("Asin", eval_unary<decltype([](auto x) { return std::asin(x); }), Floats>);
  row("Acos", eval_unary<decltype([](auto x) { return std::acos(x); }), Floats>);
  row("Atan", eval_unary<decltype([](auto x) { return std::atan(x); }), Floats>);
  row("Sinh", eval_unary<decltype([](auto x) { return std::sinh(x); }), Floats>);
  row("Cosh", eval_unary<decltype([](auto x) { return std::cosh(x); }), Floats>);
  row("Tanh", eval_unary_rows<decltype([](auto x) { return fast_tanh(x); }), Floats, tanh_row>);
  row("Asinh", eval_unary<decltype([](auto x) { return std::asinh(x); }), Floats>);
  row("Acosh", eval_unary<decltype([](auto x) { return std::acosh(x); }), Floats>);
  row("Atanh", eval_unary<decltype([](auto x) { return std::atanh(x); }), Floats>);
  row("Erf", eval_unary_rows<decltype([](auto x) { return fast_erf(x); }), Floats, erf_row>);
  row("Sigmoid",
      eval_unary_rows<decltype([](auto x) { return 1 / (1 + fast_exp(-x)); }), Floats, sigmoid_row>);
  row("Softplus",
      eval_unary<decltype([](auto x) { return relu(x) + std::log1p(std::exp(-std::abs(x))); }), Floats>);
  row("Softsign", eval_unary<decltype([](auto x) { return x / (1 + std::abs(x)); }), Floats>);
}

}  // namespace lathe
