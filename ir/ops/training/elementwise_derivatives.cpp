// Derivatives of elementwise ops. Where one is not defined (kinks), that of the side of PyTorch's choice.
#include <cmath>
#include <numbers>

#include "ir/ops/training/tape.h"

namespace lathe {
namespace {

void nothing(Backward&) {}  // piecewise constant

// A factor on dy.
template <Var (*Factor)(Backward&)>
void scaled(Backward& b) {
  if (b.wants(0)) b.give(0, b.mul(b.dy(), Factor(b)));
}

Var square(Backward& b, Var v) { return b.mul(v, v); }
Var one_minus(Backward& b, Var v) { return b.sub(b.number(1), v); }
Var over(Backward& b, Var v) { return b.div(b.number(1), v); }

Var d_neg(Backward& b) { return b.number(-1); }
Var d_abs(Backward& b) { return b.op("Sign", {b.x()}); }
Var d_exp(Backward& b) { return b.y(); }
Var d_log(Backward& b) { return over(b, b.x()); }
Var d_sqrt(Backward& b) { return b.div(b.number(0.5), b.y()); }
Var d_reciprocal(Backward& b) { return b.op("Neg", {square(b, b.y())}); }
Var d_sigmoid(Backward& b) { return b.mul(b.y(), one_minus(b, b.y())); }
Var d_tanh(Backward& b) { return one_minus(b, square(b, b.y())); }
Var d_sin(Backward& b) { return b.op("Cos", {b.x()}); }
Var d_cos(Backward& b) { return b.op("Neg", {b.op("Sin", {b.x()})}); }
Var d_tan(Backward& b) { return b.add(b.number(1), square(b, b.y())); }
Var d_sinh(Backward& b) { return b.op("Cosh", {b.x()}); }
Var d_cosh(Backward& b) { return b.op("Sinh", {b.x()}); }
Var d_asin(Backward& b) { return over(b, b.op("Sqrt", {one_minus(b, square(b, b.x()))})); }
Var d_acos(Backward& b) { return b.op("Neg", {d_asin(b)}); }
Var d_atan(Backward& b) { return over(b, b.add(b.number(1), square(b, b.x()))); }
Var d_asinh(Backward& b) { return over(b, b.op("Sqrt", {b.add(square(b, b.x()), b.number(1))})); }
Var d_acosh(Backward& b) { return over(b, b.op("Sqrt", {b.sub(square(b, b.x()), b.number(1))})); }
Var d_atanh(Backward& b) { return over(b, one_minus(b, square(b, b.x()))); }
Var d_softplus(Backward& b) { return b.op("Sigmoid", {b.x()}); }
Var d_softsign(Backward& b) { return over(b, square(b, b.add(b.number(1), b.op("Abs", {b.x()})))); }
Var d_erf(Backward& b) {
  return b.mul(b.number(2 * std::numbers::inv_sqrtpi), b.op("Exp", {b.op("Neg", {square(b, b.x())})}));
}

Var d_gelu(Backward& b) {
  const Var x = b.x(), half = b.number(0.5), one = b.number(1);
  if (b.attrs().s("approximate", "none") == "tanh") {
    constexpr double kScale = std::numbers::sqrt2 * std::numbers::inv_sqrtpi, kCubic = 0.044715;
    const Var x2 = square(b, x);
    const Var inner = b.mul(b.mul(b.number(kScale), x), b.add(one, b.mul(b.number(kCubic), x2)));
    const Var t = b.op("Tanh", {inner});
    const Var slope = b.mul(b.number(kScale), b.add(one, b.mul(b.number(3 * kCubic), x2)));
    return b.mul(half, b.add(b.add(one, t), b.mul(b.mul(x, one_minus(b, square(b, t))), slope)));
  }
  const Var cdf = b.mul(half, b.add(one, b.op("Erf", {b.mul(x, b.number(1 / std::numbers::sqrt2))})));
  const Var bell = b.op("Exp", {b.mul(b.number(-0.5), square(b, x))});
  return b.add(cdf, b.mul(b.mul(x, bell), b.number(std::numbers::inv_sqrtpi / std::numbers::sqrt2)));
}

Var choose(Backward& b, Var condition, Var yes, Var no) { return b.op("Where", {condition, yes, no}); }
Var positive(Backward& b) { return b.op("Greater", {b.x(), b.number(0)}); }

Var d_relu(Backward& b) { return choose(b, positive(b), b.number(1), b.number(0)); }
Var d_leaky_relu(Backward& b) {
  return choose(b, positive(b), b.number(1), b.number(b.attrs().f("alpha", 0.01f)));
}
Var d_thresholded_relu(Backward& b) {
  const Var above = b.op("Greater", {b.x(), b.number(b.attrs().f("alpha", 1))});
  return choose(b, above, b.number(1), b.number(0));
}
Var d_elu(Backward& b) {
  return choose(b, positive(b), b.number(1), b.add(b.y(), b.number(b.attrs().f("alpha", 1))));
}
Var d_selu(Backward& b) {
  const double alpha = b.attrs().f("alpha", 1.67326319f), gamma = b.attrs().f("gamma", 1.05070102f);
  return choose(b, positive(b), b.number(gamma), b.add(b.y(), b.number(alpha * gamma)));
}
Var d_celu(Backward& b) {
  const Var slope = b.op("Exp", {b.div(b.x(), b.number(b.attrs().f("alpha", 1)))});
  return choose(b, positive(b), b.number(1), slope);
}
Var d_shrink(Backward& b) {
  const Var far = b.op("Greater", {b.op("Abs", {b.x()}), b.number(b.attrs().f("lambd", 0.5F))});
  return choose(b, far, b.number(1), b.number(0));
}
// x clip (x / 6 + 1 / 2, 0, 1)
Var d_hard_swish(Backward& b) {
  const Var inside = b.op("Less", {b.op("Abs", {b.x()}), b.number(3)});
  const Var slope = b.add(b.mul(b.x(), b.number(1.0 / 3)), b.number(0.5));
  return choose(b, inside, slope, choose(b, positive(b), b.number(1), b.number(0)));
}
// x tanh (softplus (x))
Var d_mish(Backward& b) {
  const Var t = b.op("Tanh", {b.op("Softplus", {b.x()})});
  return b.add(t, b.mul(b.mul(b.x(), one_minus(b, square(b, t))), b.op("Sigmoid", {b.x()})));
}
// x sigmoid (alpha x)
Var d_swish(Backward& b) {
  const Var alpha = b.number(b.attrs().f("alpha", 1));
  const Var s = b.op("Sigmoid", {b.mul(alpha, b.x())});
  return b.mul(s, b.add(b.number(1), b.mul(b.mul(alpha, b.x()), one_minus(b, s))));
}
Var d_hard_sigmoid(Backward& b) {
  const Var inside = b.op("And", {b.op("Greater", {b.y(), b.number(0)}), b.op("Less", {b.y(), b.number(1)})});
  return choose(b, inside, b.number(b.attrs().f("alpha", 0.2f)), b.number(0));
}

void d_clip(Backward& b) {
  if (b.wants(1) || b.wants(2)) b.refuse("no derivative by its bounds is known");
  Var g = b.dy();
  if (b.x(1) != kNoVar) g = choose(b, b.op("GreaterOrEqual", {b.x(), b.x(1)}), g, b.number(0));
  if (b.x(2) != kNoVar) g = choose(b, b.op("LessOrEqual", {b.x(), b.x(2)}), g, b.number(0));
  b.give(0, g);
}

void d_add(Backward& b) {
  for (size_t i = 0; i < b.inputs(); ++i) b.give(i, b.dy());
}
void d_mean(Backward& b) {
  const Var share = b.div(b.dy(), b.number(static_cast<double>(b.inputs())));
  for (size_t i = 0; i < b.inputs(); ++i) b.give(i, share);
}
void d_sub(Backward& b) {
  b.give(0, b.dy());
  if (b.wants(1)) b.give(1, b.op("Neg", {b.dy()}));
}
void d_mul(Backward& b) {
  if (b.wants(0)) b.give(0, b.mul(b.dy(), b.x(1)));
  if (b.wants(1)) b.give(1, b.mul(b.dy(), b.x(0)));
}
void d_div(Backward& b) {
  if (b.wants(0)) b.give(0, b.div(b.dy(), b.x(1)));
  if (b.wants(1)) b.give(1, b.op("Neg", {b.div(b.mul(b.dy(), b.y()), b.x(1))}));
}
void d_pow(Backward& b) {
  const Var p = b.op("Cast", {b.x(1)}, {{"to", static_cast<int64_t>(b.at(b.x()).dtype)}});
  // 0 * 0^-1 would be NaN: no slope where the exponent is 0.
  if (b.wants(0)) {
    const Var lower = choose(b, b.op("Equal", {p, b.number(0)}), p, b.sub(p, b.number(1)));
    b.give(0, b.mul(b.dy(), b.mul(p, b.op("Pow", {b.x(), lower}))));
  }
  if (b.wants(1)) {
    const Var slope = choose(b, b.op("Equal", {b.x(), b.number(0)}), b.number(0), b.op("Log", {b.x()}));
    b.give(1, b.mul(b.dy(), b.mul(b.y(), slope)));
  }
}

// Shared evenly among the inputs that attain the extreme.
void d_extreme(Backward& b) {
  const auto to = static_cast<int64_t>(b.at(b.x()).dtype);
  Vars hits;
  for (size_t i = 0; i < b.inputs(); ++i)
    hits.push_back(b.op("Cast", {b.op("Equal", {b.x(i), b.y()})}, {{"to", to}}));
  const Var share = b.div(b.dy(), b.op("Sum", hits));
  for (size_t i = 0; i < b.inputs(); ++i) b.give(i, b.mul(share, hits[i]));
}

void d_where(Backward& b) {
  const Var zero = b.number(0, b.at(b.y()).dtype);
  if (b.wants(1)) b.give(1, choose(b, b.x(), b.dy(), zero));
  if (b.wants(2)) b.give(2, choose(b, b.x(), zero, b.dy()));
}

void d_cast(Backward& b) {
  if (b.wants(0)) b.give(0, b.op("Cast", {b.dy()}, {{"to", static_cast<int64_t>(b.at(b.x()).dtype)}}));
}

void d_prelu(Backward& b) {
  const Var above = positive(b);
  if (b.wants(0)) b.give(0, b.mul(b.dy(), choose(b, above, b.number(1), b.x(1))));
  if (b.wants(1)) b.give(1, b.mul(b.dy(), choose(b, above, b.number(0), b.x())));
}

}  // namespace

DerivativeTable elementwise_derivatives() {
  return {{"Abs", scaled<d_abs>},
          {"Acos", scaled<d_acos>},
          {"Acosh", scaled<d_acosh>},
          {"Add", d_add},
          {"Asin", scaled<d_asin>},
          {"Asinh", scaled<d_asinh>},
          {"Atan", scaled<d_atan>},
          {"Atanh", scaled<d_atanh>},
          {"Cast", d_cast},
          {"CastLike", d_cast},
          {"Ceil", nothing},
          {"Celu", scaled<d_celu>},
          {"Clip", d_clip},
          {"Cos", scaled<d_cos>},
          {"Cosh", scaled<d_cosh>},
          {"Div", d_div},
          {"Elu", scaled<d_elu>},
          {"Erf", scaled<d_erf>},
          {"Exp", scaled<d_exp>},
          {"Floor", nothing},
          {"Gelu", scaled<d_gelu>},
          {"HardSigmoid", scaled<d_hard_sigmoid>},
          {"HardSwish", scaled<d_hard_swish>},
          {"LeakyRelu", scaled<d_leaky_relu>},
          {"Log", scaled<d_log>},
          {"Max", d_extreme},
          {"Mean", d_mean},
          {"Min", d_extreme},
          {"Mish", scaled<d_mish>},
          {"Mul", d_mul},
          {"Neg", scaled<d_neg>},
          {"PRelu", d_prelu},
          {"Pow", d_pow},
          {"Reciprocal", scaled<d_reciprocal>},
          {"Relu", scaled<d_relu>},
          {"Round", nothing},
          {"Selu", scaled<d_selu>},
          {"Shrink", scaled<d_shrink>},
          {"Sigmoid", scaled<d_sigmoid>},
          {"Sign", nothing},
          {"Sin", scaled<d_sin>},
          {"Sinh", scaled<d_sinh>},
          {"Softplus", scaled<d_softplus>},
          {"Softsign", scaled<d_softsign>},
          {"Sqrt", scaled<d_sqrt>},
          {"Sub", d_sub},
          {"Sum", d_add},
          {"Swish", scaled<d_swish>},
          {"Tan", scaled<d_tan>},
          {"Tanh", scaled<d_tanh>},
          {"ThresholdedRelu", scaled<d_thresholded_relu>},
          {"Where", d_where}};
}

}  // namespace lathe
