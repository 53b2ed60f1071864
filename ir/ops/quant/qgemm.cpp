// QGemm (com.microsoft): alpha * op(A) x op(B) + C of bytes, to floats or to bytes. C counts in steps of
// alpha * a_scale * b_scale.
#include "ir/ops/contrib/shapes.h"
#include "ir/ops/convert.h"
#include "ir/ops/math/matmul.h"
#include "ir/ops/quant/affine.h"
#include "ir/ops/tensor/args.h"

namespace lathe {
namespace {

enum Input { kA, kAScale, kAZero, kB, kBScale, kBZero, kC, kYScale, kYZero };

void infer_qgemm(InferCtx& c) {
  const DType t = c.has(kYZero) ? c.dtype(kYZero) : c.dtype(kAScale);
  const Shape *a = c.shape(kA), *b = c.shape(kB);
  if (a == nullptr || b == nullptr) return c.out(0, t, unknown_shape(2));
  if (a->size() != 2 || b->size() != 2) c.contradiction("A and B must be matrices");
  c.out(0, t,
        Shape{(*a)[c.attrs().i("transA", 0) != 0 ? 1 : 0], (*b)[c.attrs().i("transB", 0) != 0 ? 0 : 1]});
}

void eval_qgemm(EvalCtx& c) {
  const Tensor &a = c.in(kA), &b = c.in(kB), &b_scale = c.in(kBScale);
  if (a.rank() != 2 || b.rank() != 2)
    fail("A has rank {} and B rank {}, both must be matrices", a.rank(), b.rank());
  if (c.in(kAScale).count() != 1 || (c.has(kAZero) && c.in(kAZero).count() != 1))
    fail("A takes one scale and one zero point");
  const bool ta = c.attrs().i("transA", 0) != 0, tb = c.attrs().i("transB", 0) != 0;
  Tensor product =
      matmul(centered(a, c.maybe(kAZero), 0), centered(b, c.maybe(kBZero), tb ? 0 : 1), 1, ta, tb);
  const int64_t n = product.dims[1];
  std::vector<double> scales = b_scale.to_doubles();
  if (scales.size() != 1 && static_cast<int64_t>(scales.size()) != n)
    fail("{} scales for {} columns", scales.size(), n);
  for (double& s : scales) s *= c.in(kAScale).as_double(0) * static_cast<double>(c.attrs().f("alpha", 1));
  Dims stride(2);
  if (const Tensor* bias = c.maybe(kC)) stride = broadcast_strides(bias->dims, product.dims);
  Tensor real = Tensor::uninitialized(DType::F64, product.dims);
  for (int64_t i = 0; i < real.count(); ++i) {
    double v = product.data<double>()[static_cast<size_t>(i)];
    if (const Tensor* bias = c.maybe(kC)) v += bias->as_double(i / n * stride[0] + i % n * stride[1]);
    real.mutable_data<double>()[static_cast<size_t>(i)] =
        v * scales[scales.size() == 1 ? 0 : static_cast<size_t>(i % n)];
  }
  if (!c.has(kYScale)) return c.set(0, convert(real, c.in(kAScale).dtype));
  const Tensor* zero = c.maybe(kYZero);
  if (c.in(kYScale).count() != 1 || (zero != nullptr && zero->count() != 1))
    fail("the result takes one scale and one zero point");
  c.set(0, quantize(convert(real, DType::F32), c.in(kYScale), zero, zero != nullptr ? zero->dtype : a.dtype,
                    {}));
}

}  // namespace

void register_qgemm(OpRegistry& r) { r.add({kMicrosoft, "QGemm", infer_qgemm, eval_qgemm}); }

}  // namespace lathe
