// Arithmetic on two (or, for Max, Min, Sum and Mean, any number of) broadcast tensors.
#include <limits>

#include "ir/ops/convert.h"
#include "ir/ops/elementwise.h"
#include "ir/ops/int_math.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

struct Add {
  template <class C>
  C operator()(C a, C b) const {
    return wrap_add(a, b);
  }
};
struct Sub {
  template <class C>
  C operator()(C a, C b) const {
    return wrap_sub(a, b);
  }
};
struct Mul {
  template <class C>
  C operator()(C a, C b) const {
    return wrap_mul(a, b);
  }
};
struct Div {
  template <class C>
  C operator()(C a, C b) const {
    return checked_div(a, b);
  }
};
// NaN wins, as in numpy.
struct Max {
  template <class C>
  C operator()(C a, C b) const {
    return a > b || a != a ? a : b;
  }
};
struct Min {
  template <class C>
  C operator()(C a, C b) const {
    return a < b || a != a ? a : b;
  }
};
struct Mod {
  explicit Mod(const Attrs& attrs) : c_style(attrs.i("fmod", 0) != 0) {}
  bool c_style;
  template <class C>
  C operator()(C a, C b) const {
    return c_style ? checked_rem(a, b) : checked_mod(a, b);
  }
};
struct PRelu {
  template <class C>
  C operator()(C x, C slope) const {
    return x < 0 ? wrap_mul(slope, x) : x;
  }
};

void eval_prelu(EvalCtx& c) {
  broadcast_strides(c.in(1).dims, c.in(0).dims);  // the slope alone is stretched
  eval_binary<PRelu, Numbers>(c);
}

// Halves accumulate in float and round once.
template <class Op>
Tensor fold(EvalCtx& c) {
  const DType dtype = c.in(0).dtype;
  const bool half = dtype == DType::F16 || dtype == DType::BF16;
  const DType wide = half ? DType::F32 : dtype;
  Tensor acc = convert(c.in(0), wide);
  for (size_t i = 1; i < c.inputs(); ++i) {
    if (c.in(i).dtype != dtype)
      fail("element types {} and {} differ", onnx_name(dtype), onnx_name(c.in(i).dtype));
    const Tensor next = convert(c.in(i), wide);
    Tensor out = Tensor::uninitialized(wide, broadcast_dims(acc.dims, next.dims));
    dispatch<Numbers>(wide, [&]<class T>() { map_binary<T, T>(acc, next, out, Op{}); });
    acc = std::move(out);
  }
  return acc;
}

template <class Op>
void eval_variadic(EvalCtx& c) {
  c.set(0, convert(fold<Op>(c), c.in(0).dtype));
}

void eval_mean(EvalCtx& c) {
  Tensor sum = fold<Add>(c);
  Tensor out = Tensor::uninitialized(sum.dtype, sum.dims);
  dispatch<WideFloats>(sum.dtype, [&]<class T>() {
    map_unary<T, T>(sum, out, [n = static_cast<T>(c.inputs())](T v) { return v / n; });
  });
  c.set(0, convert(out, c.in(0).dtype));
}

// The exponent's type is its own. Float bases compute in the base's type, integer bases with an integer
// exponent exactly, with a float exponent in double.
void eval_pow(EvalCtx& c) {
  const Tensor& x = c.in(0);
  const Dims dims = broadcast_dims(x.dims, c.in(1).dims);
  dispatch<Numbers>(x.dtype, [&]<class T>() {
    using C = Compute<T>;
    Tensor& out = c.out(0, x.dtype, dims);
    if constexpr (std::is_floating_point_v<C>) {
      if (const auto n = c.in(1).scalar_value(); n == 2.0 || n == 3.0) {
        const Tensor stretched =
            x.dims == dims ? x : x.reshaped(dims);  // a one-element exponent adds dims of 1 only
        const bool cube = n == 3.0;
        map_unary<T, T>(stretched, out, [cube](C v) { return cube ? v * v * v : v * v; });
        return;
      }
      const Tensor y = convert(c.in(1), x.dtype);
      map_binary<T, T>(x, y, out, [](C a, C b) { return std::pow(a, b); });
    } else {
      const bool whole = !is_floating(c.in(1).dtype);
      const Tensor y = convert(c.in(1), whole ? DType::I64 : DType::F64);
      const Tensor base = convert(x, whole ? DType::I64 : DType::F64);
      if (whole)
        map_binary<int64_t, T>(
            base, y, out, [](int64_t a, int64_t n) { return static_cast<T>(int_pow(static_cast<T>(a), n)); });
      else
        map_binary<double, T>(base, y, out, [](double a, double b) { return to_int<T>(std::pow(a, b)); });
    }
  });
}

// --- shape arithmetic
// ------------------------------------------------------------------------------------------------

std::optional<Dim> add_dims(Dim a, Dim b) { return a + b; }
std::optional<Dim> sub_dims(Dim a, Dim b) { return a - b; }
std::optional<Dim> mul_dims(Dim a, Dim b) { return a * b; }
std::optional<Dim> min_dims(Dim a, Dim b) { return Dim::min(a, b); }
std::optional<Dim> max_dims(Dim a, Dim b) { return Dim::max(a, b); }
// Truncation and floor agree unless exactly one side is negative.
std::optional<Dim> div_dims(Dim a, Dim b) {
  if (b.is_const(0)) return std::nullopt;
  if (const auto exact = Dim::exact_div(a, b)) return exact;
  if (a.is_const() && b.is_const()) return Dim(checked_div(a.value(), b.value()));
  if (b.is_const() && b.value() > 0 && Dim::provably_ge(a, 0)) return Dim::floor_div(a, b);
  return std::nullopt;
}
std::optional<Dim> mod_dims(Dim a, Dim b) {
  if (!b.is_const() || b.value() <= 0) return std::nullopt;
  return Dim::mod(a, b);
}
std::optional<Dim> pow_dims(Dim a, Dim b) {
  if (!a.is_const() || !b.is_const() || b.value() < 0) return std::nullopt;
  return Dim(int_pow(a.value(), b.value()));
}

void infer_mod(InferCtx& c) {
  const bool c_style = c.attrs().i("fmod", 0) != 0;
  infer_broadcast_with(c, DType::Undefined, c_style ? nullptr : mod_dims);
}

}  // namespace

void register_elementwise_binary(OpRegistry& r) {
  const auto row = [&r](const char* type, auto infer, auto eval, bool commutative = false) {
    r.add({.domain = "",
           .type = type,
           .infer = infer,
           .eval = eval,
           .commutative = commutative,
           .elementwise = true});
  };
  row("Add", infer_binary<add_dims>, eval_binary<Add, Numbers>, true);
  row("Sub", infer_binary<sub_dims>, eval_binary<Sub, Numbers>);
  row("Mul", infer_binary<mul_dims>, eval_binary<Mul, Numbers>, true);
  row("Div", infer_binary<div_dims>, eval_binary<Div, Numbers>);
  row("Mod", infer_mod, eval_binary<Mod, Numbers>);
  row("Pow", infer_binary<pow_dims>, eval_pow);
  row("PRelu", infer_unary<>, eval_prelu);
  row("Max", infer_binary<max_dims>, eval_variadic<Max>, true);
  row("Min", infer_binary<min_dims>, eval_variadic<Min>, true);
  row("Sum", infer_binary<>, eval_variadic<Add>, true);
  row("Mean", infer_binary<>, eval_mean, true);
}

}  // namespace lathe
