#include "passes/quant/search/fidelity.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "ir/ops/convert.h"
#include "passes/quant/padded.h"
#include "passes/quant/sites.h"

namespace lathe {
namespace {

std::vector<double> doubles(const Tensor& t) {
  const Tensor d = convert(t.aligned(), DType::F64);
  const auto v = d.data<double>();
  return {v.begin(), v.end()};
}

}  // namespace

OutputViews view_outputs(const Model& m, const Roles& roles) {
  OutputViews views;
  views.mask = mask_input(m);
  std::set<int64_t> vocabularies;
  for (const WeightSite& s : find_weight_sites(m))
    if (s.kind == WeightSite::Kind::table) vocabularies.insert(s.weight->dims[0]);
  constexpr int64_t kFewestWords = 64;  // fewer rows than that: positions or kinds of tokens
  bool scores = false;
  for (const ValueId v : m.outputs(m.main())) {
    OutputView view;
    const Type& t = m[v].type;
    const int rank = t.rank();
    if (!t.is_tensor() || !is_floating(t.dtype) || rank < 0) {
      view.kind = OutputView::Kind::skipped;
    } else if (rank > 0) {
      const Dim last = (*t.shape)[static_cast<size_t>(rank) - 1];
      const int64_t width = last.is_const() ? last.value() : 0;
      const bool words = rank == 3 && width >= kFewestWords && vocabularies.contains(width);
      const bool head = width >= 2 && rank <= 3 && m[v].def && roles[m[v].def].role == Role::head;
      if (words || head) {
        view.kind = OutputView::Kind::classes;
        scores = true;
      } else if (rank == 3 && views.mask >= 0) {
        view.kind = OutputView::Kind::tokens;
      }
    }
    views.outputs.push_back(view);
  }
  if (scores)
    for (OutputView& v : views.outputs)
      if (v.kind != OutputView::Kind::classes) v.kind = OutputView::Kind::skipped;
  return views;
}

void FidelityMeter::vector(const double* a, const double* b, int64_t n) {
  double aa = 0, bb = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double d = a[i] - b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
    differ(d);
  }
  elements_ += n;
  ++vectors_;
  const double length_a = std::sqrt(aa), length_b = std::sqrt(bb);
  double loss = aa == bb ? 0 : 1;  // of zeros
  if (std::isfinite(length_a) != std::isfinite(length_b)) {
    loss = std::numeric_limits<double>::infinity();
  } else if (length_a > 0 && length_b > 0) {
    loss = 0;  // 1 - cosine without the cancellation of nearly equal numbers
    for (int64_t i = 0; i < n; ++i) {
      const double d = a[i] / length_a - b[i] / length_b;
      loss += d * d / 2;
    }
  }
  lost(loss);
}

// One number a sample has no direction: what it is off by counts as if it were perpendicular, over the root
// mean square of the run's numbers.
void FidelityMeter::numbers(const double* a, const double* b, int64_t n) {
  double scale = 0;
  for (int64_t i = 0; i < n; ++i) scale += a[i] * a[i] / static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) {
    const double d = a[i] - b[i];
    differ(d);
    lost(scale > 0 ? d * d / (2 * scale) : d == 0 ? 0 : 1);
  }
  elements_ += n;
  vectors_ += n;
}

void FidelityMeter::differ(double d) {
  squares_ += d * d;
  max_abs_ = std::max(max_abs_, std::isnan(d) ? std::numeric_limits<double>::infinity() : std::fabs(d));
}

void FidelityMeter::lost(double loss) {
  constexpr double kOpposite = 2;
  loss = std::isfinite(loss) ? std::min(loss, kOpposite) : kOpposite;
  loss_ += loss;
  worst_ = std::max(worst_, loss);
}

void FidelityMeter::classes(const double* a, const double* b, int64_t n) {
  const double high_a = *std::max_element(a, a + n), high_b = *std::max_element(b, b + n);
  double sum_a = 0, sum_b = 0, cross = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double p = std::exp(a[i] - high_a);
    sum_a += p;
    sum_b += std::exp(b[i] - high_b);
    cross += p * ((a[i] - high_a) - (b[i] - high_b));
  }
  const double kl = cross / sum_a - std::log(sum_a) + std::log(sum_b);
  kl_ += std::isfinite(kl) ? std::max(kl, 0.0) : std::numeric_limits<double>::infinity();
  agreeing_ += std::max_element(a, a + n) - a == std::max_element(b, b + n) - b;
  ++positions_;
}

void FidelityMeter::add(const std::vector<Datum>& inputs, const std::vector<Datum>& wanted,
                        const std::vector<Datum>& got) {
  std::vector<double> mask;
  if (views_.mask >= 0 && static_cast<size_t>(views_.mask) < inputs.size())
    if (const Tensor* t = inputs[static_cast<size_t>(views_.mask)].tensor()) mask = doubles(*t);
  for (size_t o = 0; o < views_.outputs.size() && o < wanted.size() && o < got.size(); ++o) {
    const Tensor *ta = wanted[o].tensor(), *tb = got[o].tensor();
    const OutputView::Kind kind = views_.outputs[o].kind;
    if (kind == OutputView::Kind::skipped || ta == nullptr || tb == nullptr || ta->dims != tb->dims ||
        ta->count() == 0)
      continue;
    const std::vector<double> a = doubles(*ta), b = doubles(*tb);
    if (ta->rank() == 0) {
      numbers(a.data(), b.data(), 1);
      continue;
    }
    const auto& d = ta->dims;
    const int64_t width = d.back(), positions = ta->count() / width;
    const bool masked = d.size() == 3 && static_cast<int64_t>(mask.size()) == positions;
    if (kind == OutputView::Kind::classes) {
      for (int64_t p = 0; p < positions; ++p) {
        if (masked && mask[static_cast<size_t>(p)] == 0) continue;
        vector(a.data() + p * width, b.data() + p * width, width);
        classes(a.data() + p * width, b.data() + p * width, width);
      }
    } else if (kind == OutputView::Kind::tokens && masked) {
      std::vector<double> x(static_cast<size_t>(width)), y(x.size());
      for (int64_t s = 0; s < d[0]; ++s) {
        std::fill(x.begin(), x.end(), 0);
        std::fill(y.begin(), y.end(), 0);
        double shown = 0;
        for (int64_t t = 0; t < d[1]; ++t) {
          const double w = mask[static_cast<size_t>(s * d[1] + t)];
          if (w == 0) continue;
          shown += w;
          const double *pa = a.data() + (s * d[1] + t) * width, *pb = b.data() + (s * d[1] + t) * width;
          for (size_t i = 0; i < x.size(); ++i) {
            x[i] += w * pa[i];
            y[i] += w * pb[i];
          }
        }
        if (shown == 0) continue;
        for (size_t i = 0; i < x.size(); ++i) {
          x[i] /= shown;
          y[i] /= shown;
        }
        vector(x.data(), y.data(), width);
      }
    } else {
      const int64_t samples = d.size() == 1 ? 1 : d[0], size = ta->count() / samples;
      if (size == 1) {
        numbers(a.data(), b.data(), samples);
        continue;
      }
      for (int64_t s = 0; s < samples; ++s) vector(a.data() + s * size, b.data() + s * size, size);
    }
  }
}

Fidelity FidelityMeter::result() const {
  Fidelity f;
  f.vectors = vectors_;
  if (vectors_ > 0) f.mean_cosine = 1 - loss_ / static_cast<double>(vectors_);
  f.min_cosine = 1 - worst_;
  if (elements_ > 0) f.mse = squares_ / static_cast<double>(elements_);
  f.max_abs = max_abs_;
  if (positions_ > 0) {
    f.kl = kl_ / static_cast<double>(positions_);
    f.top1 = static_cast<double>(agreeing_) / static_cast<double>(positions_);
  }
  return f;
}

}  // namespace lathe
