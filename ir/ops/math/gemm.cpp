// Gemm: alpha * op(A) x op(B) + beta * C, with C broadcast to the product.
#include "ir/ops/convert.h"
#include "ir/ops/elementwise.h"
#include "ir/ops/math/gemm_kept.h"
#include "ir/ops/op_def.h"
#include "ir/ops/relations.h"

namespace lathe {
namespace {

template <class T>
void run(EvalCtx& c, const Tensor& a, const Tensor& b, Tensor& out) {
  Gemm<T> g;
  g.trans_a = c.attrs().i("transA", 0) != 0;
  g.trans_b = c.attrs().i("transB", 0) != 0;
  g.m = out.dims[0];
  g.n = out.dims[1];
  g.k = a.dims[g.trans_a ? 0 : 1];
  g.alpha = static_cast<T>(c.attrs().f("alpha", 1));
  g.lda = std::max<int64_t>(1, a.dims[1]);
  g.ldb = std::max<int64_t>(1, b.dims[1]);
  g.ldc = std::max<int64_t>(1, g.n);
  if (const Tensor* bias = c.maybe(2)) {
    if (bias->dtype != c.raw(0).dtype) fail("element types of A and C differ");
    const T beta = static_cast<T>(c.attrs().f("beta", 1));
    const Tensor wide = convert(*bias, out.dtype);
    broadcast_strides(bias->dims, out.dims);  // C alone is stretched
    map_binary<T, T>(wide, Tensor::full(out.dtype, {}, 1), out, [beta](T v, T) { return wrap_mul(beta, v); });
    g.beta = 1;
  }
  gemm_kept(g, a.data<T>().data(), b, out.mutable_data<T>().data());
}

void eval_gemm(EvalCtx& c) {
  const Tensor &a = c.raw(0), &b = c.raw(1);
  if (a.dtype != b.dtype) fail("element types {} and {} differ", onnx_name(a.dtype), onnx_name(b.dtype));
  if (a.rank() != 2 || b.rank() != 2)
    fail("A has rank {} and B rank {}, both must be matrices", a.rank(), b.rank());
  const bool ta = c.attrs().i("transA", 0) != 0, tb = c.attrs().i("transB", 0) != 0;
  const int64_t m = a.dims[ta ? 1 : 0], n = b.dims[tb ? 0 : 1], k = a.dims[ta ? 0 : 1];
  if (b.dims[tb ? 1 : 0] != k) fail("inner sizes {} and {} of the matrices differ", k, b.dims[tb ? 1 : 0]);
  const bool half = a.dtype == DType::F16 || a.dtype == DType::BF16;
  Tensor& out = c.out(0, half ? DType::F32 : a.dtype, {m, n});
  dispatch<TypeList<float, double, int32_t, int64_t, uint32_t, uint64_t>>(out.dtype, [&]<class T>() {
    constexpr bool own_loop = std::is_integral_v<T>;  // BLAS alone takes misaligned operands
    run<T>(c, own_loop ? a.aligned() : convert(a, out.dtype), b, out);
  });
  if (half) c.set(0, convert(out, a.dtype));
}

void infer_gemm(InferCtx& c) {
  const Shape *a = c.shape(0), *b = c.shape(1);
  if (a == nullptr || b == nullptr) return c.out(0, c.dtype(0), Shape{Dim::unknown(), Dim::unknown()});
  if (a->size() != 2 || b->size() != 2) c.contradiction("A and B must be matrices");
  const bool ta = c.attrs().i("transA", 0) != 0, tb = c.attrs().i("transB", 0) != 0;
  const Dim ka = (*a)[ta ? 0 : 1], kb = (*b)[tb ? 1 : 0];
  if (ka.is_const() && kb.is_const() && !(ka == kb))
    c.contradiction(fmt::format("inner sizes {} and {} differ", ka.str(), kb.str()));
  must_equal(c, ka, kb);
  c.out(0, c.dtype(0), Shape{(*a)[ta ? 1 : 0], (*b)[tb ? 0 : 1]});
}

}  // namespace

void register_gemm(OpRegistry& r) {
  r.add({.domain = "", .type = "Gemm", .infer = infer_gemm, .eval = eval_gemm});
}

}  // namespace lathe
