// Det: by LU decomposition with partial pivoting, in double.
#include <cmath>

#include "ir/base/work_vector.h"
#include "ir/ops/convert.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

double determinant(WorkVector<double>& a, int64_t n) {
  double det = 1;
  const auto at = [&](int64_t r, int64_t k) -> double& { return a[static_cast<size_t>(r * n + k)]; };
  for (int64_t k = 0; k < n; ++k) {
    int64_t pivot = k;
    for (int64_t r = k + 1; r < n; ++r)
      if (std::fabs(at(r, k)) > std::fabs(at(pivot, k))) pivot = r;
    if (at(pivot, k) == 0) return 0;
    if (pivot != k) {
      for (int64_t j = k; j < n; ++j) std::swap(at(k, j), at(pivot, j));
      det = -det;
    }
    det *= at(k, k);
    for (int64_t r = k + 1; r < n; ++r) {
      const double f = at(r, k) / at(k, k);
      for (int64_t j = k + 1; j < n; ++j) at(r, j) -= f * at(k, j);
    }
  }
  return det;
}

void eval_det(EvalCtx& c) {
  const Tensor& given = c.in(0);
  if (!is_floating(given.dtype)) fail("element type {} is not supported here", onnx_name(given.dtype));
  if (given.rank() < 2 || given.dims.back() != given.dims[given.dims.size() - 2])
    fail("the input must hold square matrices");
  const int64_t n = given.dims.back();
  std::vector<int64_t> dims(given.dims.begin(), given.dims.end() - 2);
  Tensor y = Tensor::uninitialized(DType::F64, dims);
  const Tensor x = convert(given, DType::F64);
  const double* in = x.data<double>().data();
  WorkVector<double> matrix;
  for (double& out : y.mutable_data<double>()) {
    matrix.assign(in, in + n * n);
    out = determinant(matrix, n);
    in += n * n;
  }
  c.set(0, convert(y, given.dtype));
}

void infer_det(InferCtx& c) {
  const Shape* x = c.shape(0);
  if (x == nullptr) return c.out(0, c.dtype(0));
  if (x->size() < 2) c.contradiction("the input must hold square matrices");
  c.out(0, c.dtype(0), Shape(x->begin(), x->end() - 2));
}

}  // namespace

void register_det(OpRegistry& r) { r.add({"", "Det", infer_det, eval_det}); }

}  // namespace lathe
