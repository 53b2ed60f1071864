// SVMClassifier, SVMRegressor (ai.onnx.ml). Chang and Lin, "LIBSVM"; probabilities of more than two classes:
// Wu, Lin, Weng, "Probability Estimates for Multi-class Classification by Pairwise Coupling", section 4.3.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "ir/ops/ml/post_transform.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

using namespace ml;
using Doubles = std::vector<double>;

Doubles doubles(const Attrs& attrs, const char* name) {
  const auto v = attrs.floats(name);
  return {v.begin(), v.end()};
}

class Kernel {
 public:
  explicit Kernel(const Attrs& attrs) : name_(attrs.s("kernel_type", "LINEAR")) {
    if (name_ != "LINEAR" && name_ != "POLY" && name_ != "RBF" && name_ != "SIGMOID")
      fail("kernel_type '{}'", name_);
    const Doubles p = doubles(attrs, "kernel_params");
    if (p.empty()) return;
    if (p.size() != 3) fail("{} kernel_params, not 3", p.size());
    gamma_ = p[0];
    coef0_ = p[1];
    degree_ = p[2];
  }
  double operator()(const double* x, const double* y, int64_t n) const {
    if (name_ == "RBF") {
      double sum = 0;
      for (int64_t i = 0; i < n; ++i) sum += (x[i] - y[i]) * (x[i] - y[i]);
      return std::exp(-gamma_ * sum);
    }
    const double dot = std::inner_product(x, x + n, y, 0.0);
    if (name_ == "POLY") return std::pow(gamma_ * dot + coef0_, degree_);
    return name_ == "SIGMOID" ? std::tanh(gamma_ * dot + coef0_) : dot;
  }

 private:
  std::string name_;
  double gamma_ = 0, coef0_ = 0, degree_ = 0;
};

void check_width(const Features& x, size_t values, int64_t vectors) {
  if (static_cast<int64_t>(values) != checked_mul(vectors, x.width))
    fail("{} values for {} vectors of {} features", values, vectors, x.width);
}

// ---------------------------------------------------------------- SVMRegressor

void infer_regressor(InferCtx& c) { c.out(0, DType::F32, Shape{row_count(c), 1}); }

void eval_regressor(EvalCtx& c) {
  const Features x = features(c.in(0));
  const int64_t vectors = c.attrs().i("n_supports", 0);
  const Doubles rho = doubles(c.attrs(), "rho"), coefficients = doubles(c.attrs(), "coefficients"),
                support = doubles(c.attrs(), "support_vectors");
  if (rho.size() != 1 || vectors < 0) fail("{} values of rho, {} support vectors", rho.size(), vectors);
  if (vectors > 0 && static_cast<int64_t>(coefficients.size()) != vectors)
    fail("{} coefficients for {} support vectors", coefficients.size(), vectors);
  check_width(x, vectors > 0 ? support.size() : coefficients.size(), std::max<int64_t>(vectors, 1));
  const Kernel kernel(c.attrs());
  const bool one_class = c.attrs().i("one_class", 0) != 0;
  const PostTransform t = post_transform(c.attrs());
  Doubles out;
  for (int64_t r = 0; r < x.rows; ++r) {
    double score = rho[0];
    if (vectors == 0) score += std::inner_product(coefficients.begin(), coefficients.end(), x.row(r), 0.0);
    for (int64_t v = 0; v < vectors; ++v)
      score += coefficients[static_cast<size_t>(v)] * kernel(x.row(r), support.data() + v * x.width, x.width);
    if (one_class) score = score > 0 ? 1 : -1;
    transform_scores(t, std::span(&score, 1));
    out.push_back(score);
  }
  set_floats(c, 0, out, x.rows, 1);
}

// ---------------------------------------------------------------- SVMClassifier

struct Machine {
  Labels labels;
  int64_t classes = 0, vectors = 0;
  std::vector<int64_t> first;  // support vector of each class, and the end
  Doubles rho, prob_a, prob_b, coefficients, support;

  explicit Machine(const Attrs& attrs)
      : labels(attrs, "classlabels_strings", "classlabels_ints"),
        classes(labels.count()),
        rho(doubles(attrs, "rho")),
        prob_a(doubles(attrs, "prob_a")),
        prob_b(doubles(attrs, "prob_b")),
        coefficients(doubles(attrs, "coefficients")),
        support(doubles(attrs, "support_vectors")) {
    if (classes > 65535) fail("{} classes", classes);
    first.push_back(0);
    for (const int64_t n : attrs.ints("vectors_per_class")) {
      if (n < 0) fail("{} vectors of a class", n);
      first.push_back(checked_add(first.back(), n));
    }
    vectors = first.back();
  }
  bool linear() const { return vectors == 0; }
  int64_t pairs() const { return classes * (classes - 1) / 2; }
  int64_t columns() const {
    return linear() || !prob_a.empty() ? classes : classes > 2 ? pairs() : int64_t{2};
  }
  void check() const {
    if (linear()) {
      if (rho.empty()) fail("rho is missing");
      return;
    }
    if (classes < 2 || static_cast<int64_t>(first.size()) != classes + 1)
      fail("{} classes, vectors of {}", classes, first.size() - 1);
    if (static_cast<int64_t>(coefficients.size()) != checked_mul(classes - 1, vectors))
      fail("{} coefficients for {} classes and {} vectors", coefficients.size(), classes, vectors);
    const auto n = static_cast<size_t>(pairs());
    if (rho.size() < n || prob_a.size() != prob_b.size() || (!prob_a.empty() && prob_a.size() < n))
      fail("rho, prob_a and prob_b do not fit {} pairs of classes", n);
  }
};

// Decision values of each pair of classes, and how often each class won.
Doubles decide(const Machine& m, const Doubles& kernels, std::vector<int64_t>& votes) {
  Doubles scores;
  for (int64_t i = 0; i + 1 < m.classes; ++i)
    for (int64_t j = i + 1; j < m.classes; ++j) {
      double sum = m.rho[scores.size()];
      // Row j - 1 holds the coefficients of class i against class j, row i those of class j against i.
      const auto add = [&](int64_t row, int64_t of) {
        for (int64_t v = m.first[static_cast<size_t>(of)]; v < m.first[static_cast<size_t>(of) + 1]; ++v)
          sum += m.coefficients[static_cast<size_t>(row * m.vectors + v)] * kernels[static_cast<size_t>(v)];
      };
      add(j - 1, i);
      add(i, j);
      ++votes[static_cast<size_t>(sum > 0 ? i : j)];
      scores.push_back(sum);
    }
  return scores;
}

// Class probabilities from those of the pairs: the fixed point of Wu, Lin and Weng, to onnxruntime's
// tolerance.
Doubles couple(const Machine& m, const Doubles& scores) {
  const auto n = static_cast<size_t>(m.classes);
  Doubles r(n * n), q(n * n), p(n, 1.0 / static_cast<double>(n)), qp(n);
  size_t pair = 0;
  for (size_t i = 0; i + 1 < n; ++i)
    for (size_t j = i + 1; j < n; ++j, ++pair) {
      const double win = 1 - logistic(scores[pair] * m.prob_a[pair] + m.prob_b[pair]);
      r[i * n + j] = std::clamp(win, 1e-7, 1 - 1e-7);
      r[j * n + i] = 1 - r[i * n + j];
    }
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < n; ++j) {
      if (i == j) continue;
      q[i * n + i] += r[j * n + i] * r[j * n + i];
      q[i * n + j] = -r[j * n + i] * r[i * n + j];
    }
  const double tolerance = 0.005 / static_cast<double>(n);
  for (int round = 0; round < 100; ++round) {
    double total = 0, worst = 0;
    for (size_t i = 0; i < n; ++i) {
      qp[i] = std::inner_product(p.begin(), p.end(), q.begin() + static_cast<std::ptrdiff_t>(i * n), 0.0);
      total += p[i] * qp[i];
    }
    for (const double v : qp) worst = std::max(worst, std::abs(v - total));
    if (worst < tolerance) break;
    for (size_t i = 0; i < n; ++i) {
      const double diagonal = q[i * n + i], step = (total - qp[i]) / diagonal;
      p[i] += step;
      total = (total + step * (step * diagonal + 2 * qp[i])) / (1 + step) / (1 + step);
      for (size_t j = 0; j < n; ++j) {
        qp[j] = (qp[j] + step * q[i * n + j]) / (1 + step);
        p[j] /= 1 + step;
      }
    }
  }
  return p;
}

void infer_classifier(InferCtx& c) {
  const Machine m(c.attrs());
  c.out(0, m.labels.dtype(), Shape{row_count(c)});
  c.out(1, DType::F32, Shape{row_count(c), m.columns()});
}

int64_t first_largest(const auto& v) { return std::max_element(v.begin(), v.end()) - v.begin(); }

// LIBLINEAR's form: a row of coefficients a class.
int64_t linear_label(const Machine& m, const Doubles& scores) {
  const int64_t best = first_largest(scores);
  if (m.classes != 2 || !m.prob_a.empty()) return best;
  const double top = scores[static_cast<size_t>(best)];
  const bool positive =
      std::all_of(m.coefficients.begin(), m.coefficients.end(), [](double v) { return v >= 0; });
  return (positive ? top >= 0.5 : top > 0) ? 1 : best;
}

void eval_classifier(EvalCtx& c) {
  const Features x = features(c.in(0));
  const Machine m(c.attrs());
  m.check();
  check_width(x, m.linear() ? m.coefficients.size() : m.support.size(), m.linear() ? m.classes : m.vectors);
  const Kernel kernel(c.attrs());
  const PostTransform t = post_transform(c.attrs());
  LabelWriter labels(m.labels, x.rows);
  Doubles out, kernels(static_cast<size_t>(m.vectors));
  for (int64_t r = 0; r < x.rows; ++r) {
    Doubles scores;
    if (m.linear()) {
      for (int64_t k = 0; k < m.classes; ++k)
        scores.push_back(
            std::inner_product(x.row(r), x.row(r) + x.width, m.coefficients.data() + k * x.width, m.rho[0]));
      labels.set(r, linear_label(m, scores));
      transform_scores(t, scores);
    } else {
      for (int64_t v = 0; v < m.vectors; ++v)
        kernels[static_cast<size_t>(v)] = kernel(x.row(r), m.support.data() + v * x.width, x.width);
      std::vector<int64_t> votes(static_cast<size_t>(m.classes));
      scores = decide(m, kernels, votes);
      labels.set(r, first_largest(votes));
      if (!m.prob_a.empty()) scores = couple(m, scores);
      if (scores.size() == 1) {
        // Of two classes without probabilities: under LOGISTIC a log odds, under the other transforms taken
        // for a probability, as onnxruntime has it.
        const bool signed_score = t == PostTransform::none || t == PostTransform::logistic;
        scores = {signed_score ? -scores[0] : 1 - scores[0], scores[0]};
        if (t == PostTransform::logistic || t == PostTransform::probit) transform_scores(t, scores);
      } else {
        transform_scores(t, scores);
      }
    }
    out.insert(out.end(), scores.begin(), scores.end());
  }
  c.set(0, labels.take());
  set_floats(c, 1, out, x.rows, m.columns());
}

}  // namespace

void register_ml_svm(OpRegistry& r) {
  r.add({kDomain, "SVMClassifier", infer_classifier, eval_classifier});
  r.add({kDomain, "SVMRegressor", infer_regressor, eval_regressor});
}

}  // namespace lathe
