// Activations with parameters, and Clip.
#include <cmath>
#include <numbers>

#include "ir/ops/elementwise.h"
#include "ir/ops/fast_math.h"
#include "ir/ops/fast_math_rows.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

// Functors read their attributes once; float attributes widen to the type to compute in.
struct Alpha {
  Alpha(const Attrs& attrs, float otherwise) : alpha(attrs.f("alpha", otherwise)) {}
  float alpha;
};
struct LeakyRelu : Alpha {
  explicit LeakyRelu(const Attrs& a) : Alpha(a, 0.01f) {}
  template <class C>
  C operator()(C x) const {
    return x < 0 ? static_cast<C>(alpha) * x : x;
  }
};
struct Elu : Alpha {
  explicit Elu(const Attrs& a) : Alpha(a, 1.0f) {}
  template <class C>
  C operator()(C x) const {
    return x < 0 ? static_cast<C>(alpha) * std::expm1(x) : x;
  }
};
struct Celu : Alpha {
  explicit Celu(const Attrs& a) : Alpha(a, 1.0f) {}
  template <class C>
  C operator()(C x) const {
    const C a = static_cast<C>(alpha);
    return x < 0 ? a * std::expm1(x / a) : x;
  }
};
struct Selu : Alpha {
  explicit Selu(const Attrs& a)
      : Alpha(a, 1.67326319217681884765625f), gamma(a.f("gamma", 1.05070102214813232421875f)) {}
  float gamma;
  template <class C>
  C operator()(C x) const {
    return static_cast<C>(gamma) * (x > 0 || x != x ? x : static_cast<C>(alpha) * std::expm1(x));
  }
};
struct ThresholdedRelu : Alpha {
  explicit ThresholdedRelu(const Attrs& a) : Alpha(a, 1.0f) {}
  template <class C>
  C operator()(C x) const {
    return x > static_cast<C>(alpha) || x != x ? x : C{0};
  }
};
struct Swish : Alpha {
  explicit Swish(const Attrs& a) : Alpha(a, 1.0f) {}
  template <class C>
  C operator()(C x) const {
    return x / (1 + fast_exp(-static_cast<C>(alpha) * x));
  }
};
struct HardSigmoid : Alpha {
  explicit HardSigmoid(const Attrs& a) : Alpha(a, 0.2f), beta(a.f("beta", 0.5f)) {}
  float beta;
  template <class C>
  C operator()(C x) const {
    const C y = static_cast<C>(alpha) * x + static_cast<C>(beta);
    return y < 0 ? C{0} : y > 1 ? C{1} : y;
  }
};
struct Shrink {
  explicit Shrink(const Attrs& a) : lambd(a.f("lambd", 0.5f)), bias(a.f("bias", 0.0f)) {}
  float lambd, bias;
  template <class C>
  C operator()(C x) const {
    const auto v = static_cast<double>(x);
    if (v < -static_cast<double>(lambd)) return static_cast<C>(v + bias);
    return v > lambd ? static_cast<C>(v - bias) : v != v ? x : C{0};
  }
};
struct Gelu {
  explicit Gelu(const Attrs& a) {
    const std::string how = a.s("approximate", "none");
    if (how != "none" && how != "tanh") fail("approximate '{}' is neither none nor tanh", how);
    tanh = how == "tanh";
  }
  bool tanh;
  template <class C>
  C operator()(C x) const {
    if (!tanh) return x / 2 * (1 + fast_erf(x * static_cast<C>(std::numbers::sqrt2 / 2)));
    const C k = static_cast<C>(0.7978845608028654);  // sqrt(2 / pi)
    return x / 2 * (1 + fast_tanh(k * (x + static_cast<C>(0.044715) * x * x * x)));
  }
};

void eval_gelu(EvalCtx& c) {
  if (Gelu(c.attrs()).tanh) return eval_unary_rows<Gelu, Floats, gelu_tanh_row>(c);
  eval_unary_rows<Gelu, Floats, gelu_row>(c);
}

template <class C>
C hard_swish(C x) {
  const C y = x / 6 + C{1} / 2;
  return x * (y < 0 ? C{0} : y > 1 ? C{1} : y);
}
template <class C>
C mish(C x) {
  return x * fast_tanh((x > 0 ? x : C{0}) + std::log1p(std::exp(-std::abs(x))));
}

// Limits are scalars; the upper one wins when they cross.
void eval_clip(EvalCtx& c) {
  const Tensor& x = c.in(0);
  for (const size_t i : {1u, 2u})
    if (c.has(i) && c.in(i, x.dtype).count() != 1) fail("input {} is not a scalar", i);
  Tensor& out = c.out(0, x.dtype, x.dims);
  dispatch<Numbers>(x.dtype, [&]<class T>() {
    using C = Compute<T>;
    const bool low = c.has(1), high = c.has(2);
    const C lo = low ? load_element(c.in(1).data<T>()[0]) : C{0},
            hi = high ? load_element(c.in(2).data<T>()[0]) : C{0};
    map_unary<T, T>(x, out, [=](C v) {
      const C a = low && v < lo ? lo : v;
      return high && a > hi ? hi : a;
    });
  });
}

void infer_clip(InferCtx& c) {
  infer_unary_with(c, DType::Undefined, nullptr);
  auto x = c.value(0);
  if (!x) return;
  const auto low = c.value(1), high = c.value(2);
  if ((c.has(1) && !low) || (c.has(2) && !high)) return;
  for (Dim& d : *x) {
    if (low && low->size() == 1) d = Dim::max(d, (*low)[0]);
    if (high && high->size() == 1) d = Dim::min(d, (*high)[0]);
  }
  c.out_value(0, std::move(*x));
}

}  // namespace

void register_activations(OpRegistry& r) {
  const auto row = [&r](const char* type, auto eval) {
    r.add({.domain = "", .type = type, .infer = infer_unary<>, .eval = eval, .elementwise = true});
  };
  row("LeakyRelu", eval_unary<LeakyRelu, Floats>);
  row("Elu", eval_unary<Elu, Floats>);
  row("Celu", eval_unary<Celu, Floats>);
  row("Selu", eval_unary<Selu, Floats>);
  row("ThresholdedRelu", eval_unary<ThresholdedRelu, Floats>);
  row("Swish", eval_unary<Swish, Floats>);
  row("HardSigmoid", eval_unary<HardSigmoid, Floats>);
  row("HardSwish", eval_unary<decltype([](auto x) { return hard_swish(x); }), Floats>);
  row("Mish", eval_unary<decltype([](auto x) { return mish(x); }), Floats>);
  row("Gelu", eval_gelu);
  row("Shrink", eval_unary<Shrink, Numbers>);
  r.add({.domain = "",
         .type = "Clip",
         .infer = infer_clip,
         .eval = eval_clip,
         .exactness = Exactness::bitwise,
         .elementwise = true});
}

}  // namespace lathe
