// Comparisons and boolean operations: results are bool.
#include <cmath>

#include "ir/ops/elementwise.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

template <class Fn, class List>
void eval_predicate(EvalCtx& c) {
  eval_binary<Fn, List, BoolByte>(c);
}

// Strings compare as bytes.
void eval_equal(EvalCtx& c) {
  const Tensor &x = c.in(0), &y = c.in(1);
  if (x.dtype != DType::String || y.dtype != DType::String) {
    return eval_predicate<decltype([](auto a, auto b) { return a == b; }), NumbersAndBool>(c);
  }
  Tensor& out = c.out(0, DType::Bool, broadcast_dims(x.dims, y.dims));
  const StridedLoop<2> loop(out.dims,
                            {broadcast_strides(x.dims, out.dims), broadcast_strides(y.dims, out.dims)});
  const auto& inner = loop.inner();
  auto r = out.mutable_data<uint8_t>();
  loop.run(0, loop.count(), [&](int64_t o, const auto& at, int64_t n) {
    for (int64_t i = 0; i < n; ++i)
      r[static_cast<size_t>(o + i)] = x.strings()[static_cast<size_t>(at[0] + i * inner[0])] ==
                                      y.strings()[static_cast<size_t>(at[1] + i * inner[1])];
  });
}

struct IsInf {
  explicit IsInf(const Attrs& attrs)
      : positive(attrs.i("detect_positive", 1) != 0), negative(attrs.i("detect_negative", 1) != 0) {}
  bool positive, negative;
  template <class C>
  bool operator()(C x) const {
    return std::isinf(x) && (x > 0 ? positive : negative);
  }
};

// 8-bit floats are few: by value, without a loop of their own.
template <class Fn>
void eval_float_test(EvalCtx& c) {
  const Tensor& x = c.in(0);
  if (lists<Floats>(x.dtype)) return eval_unary<Fn, Floats, BoolByte>(c);
  if (!is_floating(x.dtype)) fail("element type {} is not supported here", onnx_name(x.dtype));
  const Fn test = make_op<Fn>(c.attrs());
  auto r = c.out(0, DType::Bool, x.dims).mutable_data<uint8_t>();
  for (size_t i = 0; i < r.size(); ++i) r[i] = test(x.as_double(static_cast<int64_t>(i)));
}

std::optional<Dim> truth(bool b) { return Dim(b ? 1 : 0); }
std::optional<Dim> equal_dims(Dim a, Dim b) {
  if (a == b) return truth(true);
  return Dim::provably_ne(a, b) ? truth(false) : std::nullopt;
}
std::optional<Dim> greater_dims(Dim a, Dim b) {
  if (Dim::provably_ge(a, b + Dim(1))) return truth(true);
  return Dim::provably_ge(b, a) ? truth(false) : std::nullopt;
}
std::optional<Dim> less_dims(Dim a, Dim b) { return greater_dims(b, a); }
std::optional<Dim> greater_equal_dims(Dim a, Dim b) {
  const auto less = less_dims(a, b);
  return less ? truth(less->is_const(0)) : std::nullopt;
}
std::optional<Dim> less_equal_dims(Dim a, Dim b) { return greater_equal_dims(b, a); }
std::optional<Dim> and_dims(Dim a, Dim b) {
  if (a.is_const(0) || b.is_const(0)) return truth(false);
  return a.is_const() && b.is_const() ? truth(true) : std::nullopt;
}
std::optional<Dim> or_dims(Dim a, Dim b) {
  const auto one = [](Dim d) { return d.is_const() && d.value() != 0; };
  if (one(a) || one(b)) return truth(true);
  return a.is_const() && b.is_const() ? truth(false) : std::nullopt;
}
std::optional<Dim> not_dim(Dim a) { return a.is_const() ? truth(a.value() == 0) : std::nullopt; }

}  // namespace

void register_compare(OpRegistry& r) {
  const auto row = [&r](const char* type, auto infer, auto eval, bool commutative = false) {
    r.add({.domain = "",
           .type = type,
           .infer = infer,
           .eval = eval,
           .exactness = Exactness::bitwise,
           .commutative = commutative,
           .elementwise = true});
  };
  constexpr DType kBool = DType::Bool;
  using Bools = TypeList<BoolByte>;
  row("Equal", infer_binary<equal_dims, kBool>, eval_equal, true);
  row("Greater", infer_binary<greater_dims, kBool>,
      eval_predicate<decltype([](auto a, auto b) { return a > b; }), Numbers>);
  row("Less", infer_binary<less_dims, kBool>,
      eval_predicate<decltype([](auto a, auto b) { return a < b; }), Numbers>);
  row("GreaterOrEqual", infer_binary<greater_equal_dims, kBool>,
      eval_predicate<decltype([](auto a, auto b) { return a >= b; }), Numbers>);
  row("LessOrEqual", infer_binary<less_equal_dims, kBool>,
      eval_predicate<decltype([](auto a, auto b) { return a <= b; }), Numbers>);
  row("And", infer_binary<and_dims, kBool>,
      eval_predicate<decltype([](bool a, bool b) { return a && b; }), Bools>, true);
  row("Or", infer_binary<or_dims, kBool>,
      eval_predicate<decltype([](bool a, bool b) { return a || b; }), Bools>, true);
  row("Xor", infer_binary<nullptr, kBool>,
      eval_predicate<decltype([](bool a, bool b) { return a != b; }), Bools>, true);
  row("Not", infer_unary<not_dim, kBool>, eval_unary<decltype([](bool a) { return !a; }), Bools>);
  row("IsNaN", infer_unary<nullptr, kBool>, eval_float_test<decltype([](auto x) { return std::isnan(x); })>);
  row("IsInf", infer_unary<nullptr, kBool>, eval_float_test<IsInf>);
}

}  // namespace lathe
