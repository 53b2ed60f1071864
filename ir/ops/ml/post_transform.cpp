#include "ir/ops/ml/post_transform.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "ir/ops/broadcast.h"
#include "ir/ops/convert.h"

namespace lathe::ml {
namespace {

double inverse_erf(double x) {
  constexpr double a = 0.147;
  const double log = std::log((1 - x) * (1 + x)), v = 2 / (std::numbers::pi * a) + log / 2;
  return std::copysign(std::sqrt(-v + std::sqrt(v * v - log / a)), x);
}

void softmax(std::span<double> scores, bool keep_zeros) {
  if (scores.empty()) return;
  constexpr double kZero = 1e-7;
  const double top = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double& s : scores) {
    if (keep_zeros && std::abs(s) <= kZero) {
      s = 0;
      continue;
    }
    s = std::exp(s - top);
    sum += s;
  }
  if (sum == 0) return;
  for (double& s : scores) s /= sum;
}

}  // namespace

Features features(const Tensor& x) {
  if (x.dtype == DType::String || x.rank() < 1) fail("numbers with at least one axis are needed here");
  Features f;
  f.rows = x.rank() == 1 ? 1 : x.dims[0];
  f.width = span_count(x.dims, x.rank() == 1 ? 0 : 1, x.dims.size());
  f.values = convert(x, DType::F64);
  return f;
}

Dim row_count(const InferCtx& c) {
  const Shape* x = c.shape(0);
  if (x == nullptr || x->empty()) return Dim::unknown();
  return x->size() == 1 ? Dim(1) : (*x)[0];
}

PostTransform post_transform(const Attrs& attrs) {
  const std::string name = attrs.s("post_transform", "NONE");
  if (name == "NONE") return PostTransform::none;
  if (name == "SOFTMAX") return PostTransform::softmax;
  if (name == "LOGISTIC") return PostTransform::logistic;
  if (name == "SOFTMAX_ZERO") return PostTransform::softmax_zero;
  if (name == "PROBIT") return PostTransform::probit;
  fail("post_transform '{}'", name);
}

double logistic(double x) {
  const double v = 1 / (1 + std::exp(-std::abs(x)));
  return x < 0 ? 1 - v : v;
}

void transform_scores(PostTransform t, std::span<double> scores) {
  switch (t) {
    case PostTransform::none:
      return;
    case PostTransform::softmax:
    case PostTransform::softmax_zero:
      return softmax(scores, t == PostTransform::softmax_zero);
    case PostTransform::logistic:
      for (double& s : scores) s = logistic(s);
      return;
    case PostTransform::probit:
      for (double& s : scores) s = std::numbers::sqrt2 * inverse_erf(2 * s - 1);
      return;
  }
}

Labels::Labels(const Attrs& attrs, const char* string_list, const char* int_list)
    : strings(attrs.strings(string_list)), ints(attrs.ints(int_list)) {
  if (strings.empty() == ints.empty()) fail("one of {} and {} is needed", string_list, int_list);
}

LabelWriter::LabelWriter(const Labels& labels, int64_t rows) : labels_(labels) {
  out_ = labels.strings.empty()
             ? Tensor::make(DType::I64, {rows})
             : Tensor::of_strings({rows}, std::vector<std::string>(static_cast<size_t>(rows)));
}

void LabelWriter::set(int64_t row, int64_t label) {
  const auto r = static_cast<size_t>(row), i = static_cast<size_t>(label);
  if (labels_.strings.empty())
    out_.mutable_data<int64_t>()[r] = labels_.ints.at(i);
  else
    out_.mutable_strings()[r] = labels_.strings.at(i);
}

void LabelWriter::set_flag(int64_t row, bool positive) {
  const auto r = static_cast<size_t>(row);
  if (labels_.strings.empty())
    out_.mutable_data<int64_t>()[r] = positive ? 1 : 0;
  else
    out_.mutable_strings()[r] = std::string(1, positive ? '1' : '0');
}

void set_floats(EvalCtx& c, size_t i, const std::vector<double>& values, int64_t rows, int64_t width) {
  Tensor& y = c.out(i, DType::F32, {rows, width});
  std::transform(values.begin(), values.end(), y.mutable_data<float>().begin(),
                 [](double v) { return static_cast<float>(v); });
}

}  // namespace lathe::ml
