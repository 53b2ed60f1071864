// LinearClassifier, LinearRegressor (ai.onnx.ml): scores X coefficients^T + intercepts.
#include <algorithm>

#include "ir/ops/math/gemm_kernel.h"
#include "ir/ops/ml/post_transform.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

using namespace ml;

// [rows, targets]
std::vector<double> linear_scores(const Features& x, const Attrs& attrs, int64_t targets) {
  const auto given = attrs.floats("coefficients"), intercepts = attrs.floats("intercepts");
  const std::vector<double> weights(given.begin(), given.end());
  if (static_cast<int64_t>(weights.size()) != checked_mul(targets, x.width))
    fail("{} coefficients for {} targets and {} features", weights.size(), targets, x.width);
  if (!intercepts.empty() && static_cast<int64_t>(intercepts.size()) != targets)
    fail("{} intercepts for {} targets", intercepts.size(), targets);
  std::vector<double> scores(static_cast<size_t>(checked_mul(x.rows, targets)));
  for (size_t i = 0; i < scores.size() && !intercepts.empty(); ++i)
    scores[i] = static_cast<double>(intercepts[i % static_cast<size_t>(targets)]);
  const int64_t lead = std::max<int64_t>(x.width, 1);
  gemm_batch(Gemm<double>{false, true, x.rows, targets, x.width, 1, 1, lead, lead, targets}, x.row(0),
             weights.data(), scores.data(), {{}});
  return scores;
}

// ---------------------------------------------------------------- LinearRegressor

void infer_regressor(InferCtx& c) { c.out(0, DType::F32, Shape{row_count(c), c.attrs().i("targets", 1)}); }

void eval_regressor(EvalCtx& c) {
  const Features x = features(c.in(0));
  const int64_t targets = c.attrs().i("targets", 1);
  if (targets < 1) fail("{} targets", targets);
  auto scores = linear_scores(x, c.attrs(), targets);
  const PostTransform t = post_transform(c.attrs());
  for (int64_t r = 0; r < x.rows; ++r)
    transform_scores(
        t, std::span(scores).subspan(static_cast<size_t>(r * targets), static_cast<size_t>(targets)));
  set_floats(c, 0, scores, x.rows, targets);
}

// ---------------------------------------------------------------- LinearClassifier

struct Classes {
  Labels labels;
  int64_t targets = 0, columns = 0;  // rows of coefficients; columns of scores
};

// One row of coefficients with two labels tells them apart by its sign.
Classes classes_of(const Attrs& attrs, int64_t width) {
  Classes k{Labels(attrs, "classlabels_strings", "classlabels_ints"), 0, 0};
  k.targets = static_cast<int64_t>(attrs.floats("intercepts").size());
  if (k.targets == 0 && width > 0)
    k.targets = static_cast<int64_t>(attrs.floats("coefficients").size()) / width;
  k.columns = k.targets == 1 && k.labels.count() == 2 ? 2 : k.targets;
  return k;
}

void infer_classifier(InferCtx& c) {
  const Shape* x = c.shape(0);
  const int64_t width = x != nullptr && !x->empty() && x->back().is_const() ? x->back().value() : 0;
  const Classes k = classes_of(c.attrs(), width);
  c.out(0, k.labels.dtype(), Shape{row_count(c)});
  c.out(1, DType::F32, Shape{row_count(c), k.columns > 0 ? Dim(k.columns) : Dim::unknown()});
}

void eval_classifier(EvalCtx& c) {
  const Features x = features(c.in(0));
  const Classes k = classes_of(c.attrs(), x.width);
  if (k.targets < 1 || (k.targets > 1 && k.targets > k.labels.count()))
    fail("{} labels for {} rows of coefficients", k.labels.count(), k.targets);
  const auto scores = linear_scores(x, c.attrs(), k.targets);
  const PostTransform t = post_transform(c.attrs());
  LabelWriter labels(k.labels, x.rows);
  std::vector<double> out;
  for (int64_t r = 0; r < x.rows; ++r) {
    const auto begin = scores.begin() + r * k.targets;
    std::vector<double> row(begin, begin + k.targets);
    if (k.targets > 1)
      labels.set(r, std::max_element(row.begin(), row.end()) - row.begin());
    else if (k.labels.count() == 2)
      labels.set(r, row[0] > 0 ? 1 : 0);
    else
      labels.set_flag(r, row[0] > 0);
    if (k.columns > k.targets) {
      // Probabilities complement each other; under LOGISTIC the score is a log odds.
      const double s = row[0];
      row = {t == PostTransform::logistic ? -s : 1 - s, s};
      if (t == PostTransform::logistic || t == PostTransform::probit) transform_scores(t, row);
    } else {
      transform_scores(t, row);
    }
    out.insert(out.end(), row.begin(), row.end());
  }
  c.set(0, labels.take());
  set_floats(c, 1, out, x.rows, k.columns);
}

}  // namespace

void register_ml_linear(OpRegistry& r) {
  r.add({kDomain, "LinearClassifier", infer_classifier, eval_classifier});
  r.add({kDomain, "LinearRegressor", infer_regressor, eval_regressor});
}

}  // namespace lathe
