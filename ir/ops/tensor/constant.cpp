// Constant, ConstantOfShape, EyeLike, Range: tensors out of attributes and scalars.
#include <cmath>

#include "ir/base/parallel.h"
#include "ir/ops/dispatch.h"
#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"
#include "ir/ops/tensor/units.h"

namespace lathe {
namespace {

// ---------------------------------------------------------------- Constant

Tensor dense(const SparseTensor& s) {
  Tensor out = Tensor::make(s.values.dtype, s.dims);
  const int64_t total = out.count(), count = s.values.count();
  const auto index = read_ints(s.indices);
  const auto rank = static_cast<int64_t>(s.dims.size());
  const bool flat = s.indices.rank() == 1;  // linear positions; otherwise [count, rank] coordinates
  if (static_cast<int64_t>(index.size()) != (flat ? count : checked_mul(count, rank)))
    fail("a sparse tensor has {} indices for {} values", index.size(), count);
  if (s.values.dtype == DType::String) fail("sparse strings");
  for (int64_t k = 0; k < count; ++k) {
    int64_t at = 0;
    if (flat) {
      at = index[static_cast<size_t>(k)];
    } else {
      for (int64_t d = 0; d < rank; ++d) {
        const int64_t i = index[static_cast<size_t>(k * rank + d)], size = s.dims[static_cast<size_t>(d)];
        if (i < 0 || i >= size) fail("sparse index {} is out of range for size {}", i, size);
        at = at * size + i;
      }
    }
    if (at < 0 || at >= total) fail("sparse index {} is out of range for {} elements", at, total);
    if (bit_width(out.dtype) < 8)
      store_i64(out.dtype, out.mutable_bytes().data(), at, s.values.as_i64(k));
    else
      with_unit(out.dtype, [&]<class U>(U) { mutable_units<U>(out)[at] = units<U>(s.values)[k]; });
  }
  return out;
}

// The forms of the attribute; exactly one must be there.
Tensor constant_of(const Attrs& attrs) {
  if (const TensorPtr t = attrs.tensor("value")) return share(*t, t->dims);
  if (attrs.has("value_float")) {
    const float f = attrs.f("value_float", 0);
    return Tensor::of<float>(DType::F32, {}, std::span(&f, 1));
  }
  if (attrs.has("value_int")) return Tensor::scalar_i64(attrs.i("value_int", 0));
  if (attrs.has("value_string")) return Tensor::of_strings({}, {attrs.s("value_string", "")});
  if (attrs.has("value_floats")) {
    const auto v = attrs.floats("value_floats");
    return Tensor::of<float>(DType::F32, {static_cast<int64_t>(v.size())}, v);
  }
  if (attrs.has("value_ints")) return Tensor::of_i64(attrs.ints("value_ints"));
  if (attrs.has("value_strings")) {
    auto v = attrs.strings("value_strings");
    const auto n = static_cast<int64_t>(v.size());
    return Tensor::of_strings({n}, std::move(v));
  }
  if (const AttrValue* v = attrs.find("sparse_value"))
    if (const auto* s = std::get_if<std::shared_ptr<const SparseTensor>>(v)) return dense(**s);
  fail("no value attribute");
}

void infer_constant(InferCtx& c) {
  if (c.attrs().has("sparse_value")) {
    const AttrValue* v = c.attrs().find("sparse_value");
    if (const auto* s = std::get_if<std::shared_ptr<const SparseTensor>>(v))
      return c.out(0, (*s)->values.dtype, to_shape((*s)->dims));
    return;
  }
  for (const Attr& a : c.attrs().items())
    if (std::holds_alternative<AttrRef>(a.value)) return;  // bound at the function's call
  const Tensor t = constant_of(c.attrs());
  if ((is_integer(t.dtype) || t.dtype == DType::Bool) && t.rank() <= 1 && t.count() <= 1024)
    c.out_value(0, to_shape(t.to_i64()));
  c.out(0, t.dtype, to_shape(t.dims));
}

void eval_constant(EvalCtx& c) { c.set(0, constant_of(c.attrs())); }

// ---------------------------------------------------------------- ConstantOfShape

void infer_constant_of_shape(InferCtx& c) {
  const TensorPtr value = c.attrs().tensor("value");
  const DType dtype = value ? value->dtype : DType::F32;
  const auto want = c.value(0);
  if (!want) {
    const auto n = known_length(c, 0);
    return n && *n <= 64 ? c.out(0, dtype, unknown_shape(*n)) : c.out(0, dtype);
  }
  for (const Dim& d : *want)
    if (d.is_const() && d.value() < 0) c.contradiction(fmt::format("negative size {}", d.value()));
  if (value && (is_integer(dtype) || dtype == DType::Bool) && value->count() == 1 && want->size() <= 1) {
    const Dim n = want->empty() ? Dim(1) : (*want)[0];
    if (n.is_const() && n.value() <= 64)
      c.out_value(0, Shape(static_cast<size_t>(n.value()), Dim(value->as_i64(0))));
  }
  c.out(0, dtype, want);
}

void eval_constant_of_shape(EvalCtx& c) {
  auto dims = c.in(0).to_i64();
  const TensorPtr value = c.attrs().tensor("value");
  const float zero = 0;
  const Tensor one = value ? *value : Tensor::of<float>(DType::F32, {1}, std::span(&zero, 1));
  if (one.count() != 1) fail("value has {} elements, not 1", one.count());
  Units u(one.dtype);
  const Tensor from = u.enter(one);
  Tensor& y = u.out(c, 0, std::move(dims));
  with_unit(from.dtype, [&]<class U>(U) {
    const U v = units<U>(from)[0];
    U* to = mutable_units<U>(y);
    parallel_for(y.count(), 1 << 18, [&](int64_t b, int64_t e) { std::fill(to + b, to + e, v); });
  });
  u.finish(c, 0, y);
}

// ---------------------------------------------------------------- EyeLike

DType eye_dtype(const Attrs& attrs, DType like) {
  const int64_t asked = attrs.i("dtype", static_cast<int64_t>(like));
  if (asked < 1 || asked >= kDTypeCount || !is_valid(static_cast<DType>(asked))) fail("dtype {}", asked);
  return static_cast<DType>(asked);
}

void infer_eye_like(InferCtx& c) {
  const Shape* s = c.shape(0);
  if (s != nullptr && s->size() != 2) c.contradiction("input must be a matrix");
  c.out(0, eye_dtype(c.attrs(), c.dtype(0)), s != nullptr ? *s : unknown_shape(2));
}

void eval_eye_like(EvalCtx& c) {
  const Tensor& x = c.in(0);
  if (x.rank() != 2) fail("input of rank {}, not 2", x.rank());
  const DType dtype = eye_dtype(c.attrs(), x.dtype);
  Tensor& y = c.out(0, dtype, x.dims);
  auto bytes = y.mutable_bytes();
  std::fill(bytes.begin(), bytes.end(), std::byte{0});
  const int64_t k = c.attrs().i("k", 0), rows = x.dims[0], cols = x.dims[1];
  if (k >= cols || k <= -rows) return;
  for (int64_t r = std::max<int64_t>(0, -k); r < rows && r + k < cols; ++r)
    store_double(dtype, bytes.data(), r * cols + r + k, 1.0);
}

// ---------------------------------------------------------------- Range

void infer_range(InferCtx& c) {
  const DType dtype = c.dtype(0);
  const auto start = c.value(0), limit = c.value(1), delta = c.value(2);
  const auto lone = [](const std::optional<Shape>& v) { return v && v->size() == 1; };
  if (lone(start) && lone(limit) && lone(delta) && is_integer(dtype)) {
    const Dim gap = (*limit)[0] - (*start)[0], step = (*delta)[0];
    if (step.is_const(0)) c.contradiction("delta is 0");
    if (step.is_const() && step.value() != std::numeric_limits<int64_t>::min()) {
      Dim n = step.value() > 0 ? Dim::ceil_div(gap, step) : Dim::ceil_div(Dim(0) - gap, Dim(-step.value()));
      // 0 .. n holds n elements where n is a size; a difference of sizes may be negative.
      if (!Dim::provably_ge(n, Dim(0))) n = Dim::max(n, Dim(0));
      if (n.is_const() && n.value() <= 64 && (*start)[0].is_const()) {
        Shape contents;
        for (int64_t i = 0; i < n.value(); ++i) contents.push_back((*start)[0] + step * Dim(i));
        c.out_value(0, std::move(contents));
      }
      return c.out(0, dtype, Shape{n});
    }
  }
  c.out(0, dtype, unknown_shape(1));
}

void eval_range(EvalCtx& c) {
  const Tensor &start = c.in(0), &limit = c.in(1), &delta = c.in(2);
  for (const Tensor* t : {&start, &limit, &delta})
    if (t->count() != 1 || t->dtype != start.dtype)
      fail("start, limit and delta must be scalars of one type");
  dispatch<Numbers>(start.dtype, [&]<class T>() {
    using C = Compute<T>;
    const auto a = static_cast<C>(start.data<T>()[0]), b = static_cast<C>(limit.data<T>()[0]),
               d = static_cast<C>(delta.data<T>()[0]);
    if (d == C(0)) fail("delta is 0");
    int64_t n = 0;
    if constexpr (std::is_floating_point_v<C>) {
      const double count =
          std::ceil((static_cast<double>(b) - static_cast<double>(a)) / static_cast<double>(d));
      if (!(count < 0x1p62)) fail("a range of {} elements", count);
      n = count > 0 ? static_cast<int64_t>(count) : 0;
    } else if (d > C(0) ? b > a : b < a) {
      const uint64_t gap = d > C(0) ? static_cast<uint64_t>(b) - static_cast<uint64_t>(a)
                                    : static_cast<uint64_t>(a) - static_cast<uint64_t>(b);
      const uint64_t step = d > C(0) ? static_cast<uint64_t>(d) : 0 - static_cast<uint64_t>(d);
      const uint64_t count = (gap - 1) / step + 1;
      if (count > uint64_t{1} << 62) fail("a range of {} elements", count);
      n = static_cast<int64_t>(count);
    }
    const auto y = c.out(0, start.dtype, {n}).template mutable_data<T>();
    for (int64_t i = 0; i < n; ++i) {
      if constexpr (std::is_floating_point_v<C>)
        y[static_cast<size_t>(i)] = static_cast<T>(a + static_cast<C>(i) * d);
      else
        y[static_cast<size_t>(i)] =
            static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(i) * static_cast<uint64_t>(d));
    }
  });
}

}  // namespace

void register_constant(OpRegistry& r) {
  r.add({"", "Constant", infer_constant, eval_constant, Exactness::bitwise});
  r.add({"", "ConstantOfShape", infer_constant_of_shape, eval_constant_of_shape, Exactness::bitwise});
  r.add({"", "EyeLike", infer_eye_like, eval_eye_like, Exactness::bitwise});
  r.add({"", "Range", infer_range, eval_range, Exactness::rounding});
}

}  // namespace lathe
