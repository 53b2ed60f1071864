// Element-wise ops: the loops and the type rules. An op is a functor on the type to compute in:
//
//   struct Add { template <class C> C operator()(C a, C b) const { return a + b; } };
//   r.add({.type = "Add", .infer = infer_binary<add_dims>, .eval = eval_binary<Add, Numbers>, .elementwise =
//   true});
//
// A unary functor may take the node's attributes in its constructor.
#pragma once
#include <algorithm>

#include "ir/base/parallel.h"
#include "ir/ops/broadcast.h"
#include "ir/ops/dispatch.h"
#include "ir/ops/op_def.h"

namespace lathe {

// The value of a stored element in the type to compute in; bools as 0 or 1.
template <class T>
Compute<T> load_element(T v) {
  if constexpr (is_half<T>)
    return static_cast<float>(v);
  else
    return v;
}
inline bool load_element(BoolByte v) { return static_cast<bool>(v); }
template <class R, class C>
R store_element(C v) {
  if constexpr (std::is_same_v<R, BoolByte>)
    return BoolByte{static_cast<uint8_t>(v ? 1 : 0)};
  else
    return static_cast<R>(v);
}

template <class T, class R, class Op>
void map_unary(const Tensor& x, Tensor& out, const Op& op) {
  const T* in = x.data<T>().data();
  R* r = out.mutable_data<R>().data();
  parallel_for(x.count(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) r[i] = store_element<R>(op(load_element(in[i])));
  });
}

// Operands are stretched to out.dims.
template <class T, class R, class Op>
void map_binary(const Tensor& x, const Tensor& y, Tensor& out, const Op& op) {
  const StridedLoop<2> loop(out.dims,
                            {broadcast_strides(x.dims, out.dims), broadcast_strides(y.dims, out.dims)});
  const T *px = x.data<T>().data(), *py = y.data<T>().data();
  R* pr = out.mutable_data<R>().data();
  const auto [step_x, step_y] = loop.inner();
  parallel_for(loop.count(), kGrain, [&, step_x = step_x, step_y = step_y](int64_t begin, int64_t end) {
    loop.run(begin, end, [&](int64_t o, const auto& at, int64_t n) {
      const T *a = px + at[0], *b = py + at[1];
      R* r = pr + o;
      if (step_x != 0 && step_y != 0) {
        for (int64_t i = 0; i < n; ++i) r[i] = store_element<R>(op(load_element(a[i]), load_element(b[i])));
      } else if (step_x != 0) {
        const auto v = load_element(*b);
        for (int64_t i = 0; i < n; ++i) r[i] = store_element<R>(op(load_element(a[i]), v));
      } else if (step_y != 0) {
        const auto v = load_element(*a);
        for (int64_t i = 0; i < n; ++i) r[i] = store_element<R>(op(v, load_element(b[i])));
      } else {
        std::fill_n(r, n, store_element<R>(op(load_element(*a), load_element(*b))));
      }
    });
  });
}

template <class Op>
Op make_op(const Attrs& attrs) {
  if constexpr (std::is_constructible_v<Op, const Attrs&>)
    return Op(attrs);
  else
    return Op{};
}

// R: element type of the result; void = that of the input.
template <class Op, class List, class R = void>
void eval_unary(EvalCtx& c) {
  const Tensor& x = c.in(0);
  const Op op = make_op<Op>(c.attrs());
  dispatch<List>(x.dtype, [&]<class T>() {
    using Result = std::conditional_t<std::is_void_v<R>, T, R>;
    map_unary<T, Result>(x, c.out(0, dtype_of<Result>, x.dims), op);
  });
}

template <class Op, class List, class R = void>
void eval_binary(EvalCtx& c) {
  const Tensor &x = c.in(0), &y = c.in(1);
  if (x.dtype != y.dtype) fail("element types {} and {} differ", onnx_name(x.dtype), onnx_name(y.dtype));
  const Op op = make_op<Op>(c.attrs());
  dispatch<List>(x.dtype, [&]<class T>() {
    using Result = std::conditional_t<std::is_void_v<R>, T, R>;
    map_binary<T, Result>(x, y, c.out(0, dtype_of<Result>, broadcast_dims(x.dims, y.dims)), op);
  });
}

// --- type rules
// ----------------------------------------------------------------------------------------------------

// Effect of an op on one element of shape arithmetic; nullopt = not known.
using UnaryDim = std::optional<Dim> (*)(Dim);
using BinaryDim = std::optional<Dim> (*)(Dim, Dim);

void infer_unary_with(InferCtx& c, DType dtype, UnaryDim f);
void infer_broadcast_with(InferCtx& c, DType dtype,
                          BinaryDim f);  // over all inputs, folding contents from the left

// dtype Undefined = that of the first input.
template <UnaryDim F = nullptr, DType D = DType::Undefined>
void infer_unary(InferCtx& c) {
  infer_unary_with(c, D, F);
}
template <BinaryDim F = nullptr, DType D = DType::Undefined>
void infer_binary(InferCtx& c) {
  infer_broadcast_with(c, D, F);
}

}  // namespace lathe
