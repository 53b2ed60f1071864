// Inverse (com.microsoft): of each square matrix, by elimination with partial pivoting. A singular one gives
// infinities.
#include <Eigen/LU>

#include "ir/base/parallel.h"
#include "ir/ops/contrib/shapes.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

void infer_inverse(InferCtx& c) {
  const Shape* s = c.shape(0);
  if (s != nullptr && s->size() < 2) c.contradiction("input must have rank 2 at least");
  infer_like_first(c);
}

void eval_inverse(EvalCtx& c) {
  const Tensor& x = c.in(0);
  const auto rank = x.dims.size();
  if (rank < 2 || x.dims[rank - 1] != x.dims[rank - 2]) fail("the last two axes are no square matrix");
  const int64_t n = x.dims[rank - 1], area = n * n;
  with_float(float_compute_type({&x}), [&]<class T>() {
    using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const Tensor wx = convert(x, dtype_of<T>);
    Tensor y = Tensor::uninitialized(dtype_of<T>, x.dims);
    parallel_for(x.count() == 0 ? 0 : x.count() / area, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        Eigen::Map<Matrix>(y.mutable_data<T>().data() + i * area, n, n) =
            Eigen::Map<const Matrix>(wx.data<T>().data() + i * area, n, n).inverse();
    });
    set_rounded(c, 0, y, x.dtype);
  });
}

}  // namespace

void register_contrib_inverse(OpRegistry& r) { r.add({kMicrosoft, "Inverse", infer_inverse, eval_inverse}); }

}  // namespace lathe
