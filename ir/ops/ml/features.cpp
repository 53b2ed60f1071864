// Scaler, Normalizer, Imputer, Binarizer, FeatureVectorizer, ArrayFeatureExtractor (ai.onnx.ml).
#include <algorithm>
#include <cmath>

#include "ir/ops/dispatch.h"
#include "ir/ops/ml/post_transform.h"
#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"
#include "ir/ops/tensor/units.h"

namespace lathe {
namespace {

using namespace ml;
using FeatureTypes = TypeList<float, double, int32_t, int64_t>;

void infer_shape(InferCtx& c, DType dtype) {
  const Shape* s = c.shape(0);
  c.out(0, dtype, s != nullptr ? std::optional(*s) : std::nullopt);
}

// ---------------------------------------------------------------- Scaler

void eval_scaler(EvalCtx& c) {
  const Tensor& x = c.in(0);
  const Features f = features(x);
  const auto offset = c.attrs().floats("offset"), scale = c.attrs().floats("scale");
  const int64_t last = x.dims.back();
  for (const auto& list : {offset, scale})
    if (list.size() != 1 && static_cast<int64_t>(list.size()) != last)
      fail("{} offsets or scales for {} features", list.size(), last);
  const auto y = c.out(0, DType::F32, x.dims).mutable_data<float>();
  const auto at = [last](const std::vector<float>& list, size_t i) {
    return static_cast<double>(list[list.size() == 1 ? 0 : i % static_cast<size_t>(last)]);
  };
  for (size_t i = 0; i < y.size(); ++i)
    y[i] = static_cast<float>((f.values.data<double>()[i] - at(offset, i)) * at(scale, i));
}

// ---------------------------------------------------------------- Normalizer

void eval_normalizer(EvalCtx& c) {
  const Tensor& x = c.in(0);
  if (x.rank() > 2) fail("input of rank {}, not 1 or 2", x.rank());
  const Features f = features(x);
  const std::string norm = c.attrs().s("norm", "MAX");
  if (norm != "MAX" && norm != "L1" && norm != "L2") fail("norm '{}'", norm);
  const auto y = c.out(0, DType::F32, x.dims).mutable_data<float>();
  for (int64_t r = 0; r < f.rows && f.width > 0; ++r) {
    const double *row = f.row(r), *end = row + f.width;
    double by = 0;
    if (norm == "MAX") by = *std::max_element(row, end);
    for (const double* v = row; v != end && norm != "MAX"; ++v) by += norm == "L1" ? std::abs(*v) : *v * *v;
    if (norm == "L2") by = std::sqrt(by);
    for (int64_t i = 0; i < f.width; ++i)
      y[static_cast<size_t>(r * f.width + i)] = static_cast<float>(by == 0 ? row[i] : row[i] / by);
  }
}

// ---------------------------------------------------------------- Imputer

template <class T, class V>
void impute(const Tensor& x, Tensor& y, const std::vector<V>& with, V missing) {
  const auto last = static_cast<size_t>(x.dims.back());
  if (with.size() != 1 && with.size() != last) fail("{} values for {} features", with.size(), last);
  const auto from = x.data<T>();
  const auto to = y.mutable_data<T>();
  const T gone = static_cast<T>(missing);
  for (size_t i = 0; i < from.size(); ++i) {
    const bool hit = from[i] == gone || (from[i] != from[i] && gone != gone);  // a NaN stands for NaNs
    to[i] = hit ? static_cast<T>(with[with.size() == 1 ? 0 : i % last]) : from[i];
  }
}

void eval_imputer(EvalCtx& c) {
  const Tensor& x = c.in(0);
  if (x.rank() < 1) fail("a scalar");
  Tensor& y = c.out(0, x.dtype, x.dims);
  dispatch<FeatureTypes>(x.dtype, [&]<class T>() {
    if constexpr (std::is_floating_point_v<T>)
      impute<T>(x, y, c.attrs().floats("imputed_value_floats"), c.attrs().f("replaced_value_float", 0));
    else
      impute<T>(x, y, c.attrs().ints("imputed_value_int64s"), c.attrs().i("replaced_value_int64", 0));
  });
}

// ---------------------------------------------------------------- Binarizer

void eval_binarizer(EvalCtx& c) {
  const Tensor& x = c.in(0);
  Tensor& y = c.out(0, x.dtype, x.dims);
  const float threshold = c.attrs().f("threshold", 0);
  dispatch<FeatureTypes>(x.dtype, [&]<class T>() {
    std::transform(x.data<T>().begin(), x.data<T>().end(), y.mutable_data<T>().begin(), [threshold](T v) {
      return static_cast<T>(static_cast<double>(v) > static_cast<double>(threshold) ? 1 : 0);
    });
  });
}

// ---------------------------------------------------------------- FeatureVectorizer

void infer_vectorizer(InferCtx& c) {
  int64_t total = 0;
  for (const int64_t n : c.attrs().ints("inputdimensions")) total = checked_add(total, n);
  c.out(0, DType::F32, Shape{row_count(c), total});
}

// Each input gets as many columns as inputdimensions says: cut, or filled with zeros.
void eval_vectorizer(EvalCtx& c) {
  const auto sizes = c.attrs().ints("inputdimensions");
  if (sizes.size() != c.inputs() || sizes.empty())
    fail("{} inputdimensions for {} inputs", sizes.size(), c.inputs());
  int64_t total = 0;
  for (const int64_t n : sizes) {
    if (n < 0) fail("an input of {} columns", n);
    total = checked_add(total, n);
  }
  const int64_t rows = features(c.in(0)).rows;
  Tensor& y = c.out(0, DType::F32, {rows, total});
  const auto to = y.mutable_data<float>();
  std::fill(to.begin(), to.end(), 0.0f);
  int64_t column = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const Features f = features(c.in(i));
    if (f.rows != rows) fail("inputs of {} and {} rows", rows, f.rows);
    for (int64_t r = 0; r < rows; ++r)
      std::transform(f.row(r), f.row(r) + std::min(f.width, sizes[i]), to.begin() + r * total + column,
                     [](double v) { return static_cast<float>(v); });
    column += sizes[i];
  }
}

// ---------------------------------------------------------------- ArrayFeatureExtractor

// Columns of the last axis; a vector counts as one row.
void infer_extractor(InferCtx& c) {
  const Shape *x = c.shape(0), *y = c.shape(1);
  if (x == nullptr || x->empty()) return c.out(0, c.dtype(0));
  Shape out = x->size() == 1 ? Shape{1, Dim()} : *x;
  out.back() = y != nullptr ? product(*y) : Dim::unknown();
  c.out(0, c.dtype(0), std::move(out));
}

void eval_extractor(EvalCtx& c) {
  const Tensor& x = c.raw(0);
  if (x.rank() < 1) fail("a scalar has no last axis");
  const auto index = read_ints(c.in(1));
  const int64_t width = x.dims.back(), rows = span_count(x.dims, 0, x.dims.size() - 1),
                picks = static_cast<int64_t>(index.size());
  std::vector<int64_t> dims = x.rank() == 1 ? std::vector<int64_t>{1, 0} : x.dims;
  dims.back() = picks;
  Units u(x.dtype);
  const Tensor from = u.enter(x);
  Tensor& y = u.out(c, 0, std::move(dims));
  with_unit(from.dtype, [&]<class U>(U) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < picks; ++i)
        mutable_units<U>(y)[r * picks + i] =
            units<U>(from)[r * width + checked_index(index[static_cast<size_t>(i)], width)];
  });
  u.finish(c, 0, y);
}

}  // namespace

void register_ml_features(OpRegistry& r) {
  const auto same = [](InferCtx& c) { infer_shape(c, c.dtype(0)); };
  const auto floats = [](InferCtx& c) { infer_shape(c, DType::F32); };
  r.add({kDomain, "ArrayFeatureExtractor", infer_extractor, eval_extractor, Exactness::bitwise});
  r.add({kDomain, "Binarizer", same, eval_binarizer, Exactness::bitwise});
  r.add({kDomain, "FeatureVectorizer", infer_vectorizer, eval_vectorizer, Exactness::bitwise});
  r.add({kDomain, "Imputer", same, eval_imputer, Exactness::bitwise});
  r.add({kDomain, "Normalizer", floats, eval_normalizer});
  r.add({kDomain, "Scaler", floats, eval_scaler});
}

}  // namespace lathe
