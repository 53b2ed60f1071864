#include "passes/diff/hunk_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ir/core/walk.h"

namespace lathe::diff {
namespace {

constexpr int64_t kSampleRows = 16, kSampleCols = 64;
constexpr double kLeastCosine = 0.6;  // of a sample: 2-bit weights stay above 0.8, unrelated ones near 0
constexpr size_t kMaxWeights = 2048;  // of one side compared with one another

// The cosine of a few spread blocks of two views of equal size; 1 for equal values, all zero ones too.
double sample_cosine(const WeightView& x, const WeightView& y) {
  const int64_t rows = std::min(x.rows, kSampleRows), cols = std::min(x.cols, kSampleCols);
  std::vector<double> p(static_cast<size_t>(cols)), q(p.size());
  double pp = 0, qq = 0, pq = 0;
  bool equal = true;
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t r = rows > 1 ? (x.rows - 1) * i / (rows - 1) : 0;
    const int64_t c = rows > 1 ? (x.cols - cols) * i / (rows - 1) : 0;
    x.read(r, 1, c, cols, p.data());
    y.read(r, 1, c, cols, q.data());
    for (size_t k = 0; k < p.size(); ++k) {
      equal = equal && p[k] == q[k];
      pp += p[k] * p[k];
      qq += q[k] * q[k];
      pq += p[k] * q[k];
    }
  }
  if (equal) return 1;
  return pp > 0 && qq > 0 ? pq / std::sqrt(pp) / std::sqrt(qq) : 0;
}

}  // namespace

void HunkWeights::add(const Model& m, ValueId v, const Set& taken, Side& side) {
  if (!v || taken.contains(v) || !side.seen.insert(v).second) return;
  const Tensor* t = m.constant(v);
  if (t == nullptr || is_small_constant(*t)) return;
  if (auto w = plain_weight(m, v)) side.weights.push_back(std::move(*w));
}

// Quantized weights first: a Reshape before them reads their codes too, which alone are no weight.
void HunkWeights::add_nodes(const Model& m, const std::vector<NodeId>& nodes, const Set& taken, Side& side) {
  for (const NodeId n : nodes) {
    auto w = quantized_weight(m, n);
    if (!w) continue;
    const bool known =
        std::any_of(w->parts.begin(), w->parts.end(), [&](ValueId v) { return side.seen.contains(v); });
    side.seen.insert(w->parts.begin(), w->parts.end());
    if (!known && !taken.contains(w->parts[0])) side.weights.push_back(std::move(*w));
  }
  for (const NodeId n : nodes)
    for (const ValueId v : m[n].in) add(m, v, taken, side);
}

void HunkWeights::run(Weights& out, Set& taken_a, Set& taken_b) {
  out_ = &out;
  taken_a_ = &taken_a;
  taken_b_ = &taken_b;
  if (!options_.read) return;
  for (const Hunk& h : changes_.hunks) {
    Side old_side, new_side;
    add_nodes(a_, h.removed, {}, old_side);
    add_nodes(b_, h.added, {}, new_side);
    for (const Hunk::Reader& r : h.readers) {
      add(a_, r.input.before, {}, old_side);
      add(b_, r.input.after, {}, new_side);
    }
    pair(old_side, new_side);
  }
  // What rewrites of several places share may have ended up in another hunk.
  Side old_side, new_side;
  for (const Hunk& h : changes_.hunks) {
    add_nodes(a_, h.removed, taken_a, old_side);
    add_nodes(b_, h.added, taken_b, new_side);
  }
  pair(old_side, new_side);
}

HunkWeights::Fit HunkWeights::best_fit(const Weight& w, size_t index, const std::vector<Weight>& all,
                                       const std::vector<bool>& used) const {
  Fit best;
  const auto offer = [&](size_t k, Fit::Layout layout, int64_t first, double cosine) {
    if (cosine > best.cosine) best = {index, k, layout, first, cosine};
  };
  for (size_t k = 0; k < all.size(); ++k) {
    if (w.counts != all[k].counts) continue;
    const WeightView &x = *w.view, &y = *all[k].view;
    if (x.rows == y.rows && x.cols == y.cols) {
      if (!used[k]) offer(k, Fit::Layout::straight, 0, sample_cosine(x, y));
    } else if (x.rows == y.rows && y.cols > x.cols && x.cols > 1 && y.cols % x.cols == 0 &&
               y.cols / x.cols <= 64) {
      for (int64_t first = 0; first < y.cols; first += x.cols)
        offer(k, Fit::Layout::columns, first, sample_cosine(x, *columns_of(all[k].view, first, x.cols)));
    }
    if (x.rows == y.cols && x.cols == y.rows && x.rows > 1 && x.cols > 1 && !used[k])
      offer(k, Fit::Layout::transposed, 0, sample_cosine(x, *transposed(all[k].view)));
  }
  return best;
}

void HunkWeights::pair(Side& old_side, Side& new_side) {
  if (old_side.weights.size() > kMaxWeights || new_side.weights.size() > kMaxWeights) return;
  std::vector<bool> used(new_side.weights.size(), false);
  for (size_t i = 0; i < old_side.weights.size(); ++i) {
    const Weight& w = old_side.weights[i];
    const Fit fit = best_fit(w, i, new_side.weights, used);
    if (fit.cosine < kLeastCosine) continue;
    if (fit.layout != Fit::Layout::columns) used[fit.new_side] = true;
    report(w, new_side.weights[fit.new_side], fit);
  }
}

void HunkWeights::report(const Weight& x, const Weight& y, const Fit& fit) {
  // A constant with one more use, known from elsewhere, is no second change.
  const bool fresh = !taken_a_->contains(x.parts[0]) || !taken_b_->contains(y.parts[0]);
  taken_a_->insert(x.parts.begin(), x.parts.end());
  taken_b_->insert(y.parts.begin(), y.parts.end());
  if (!fresh) return;
  WeightViewPtr view = y.view;
  if (fit.layout == Fit::Layout::transposed) view = transposed(view);
  if (fit.layout == Fit::Layout::columns) view = columns_of(view, fit.first, x.view->cols);
  WeightChange c;
  c.stats = compare_views(*x.view, *view);
  if (c.stats.differing == 0 && x.stored == y.stored) {
    ++out_->same;
    return;
  }
  c.compared = true;
  c.kind = x.stored == y.stored ? WeightChange::Kind::values : WeightChange::Kind::type;
  c.a = x.parts[0];
  c.b = y.parts[0];
  c.name_a = x.name;
  c.name_b = y.name;
  c.dims_a = x.dims;
  c.dims_b = y.dims;
  c.stored_a = x.stored;
  c.stored_b = y.stored;
  c.bytes_a = x.bytes;
  c.bytes_b = fit.layout == Fit::Layout::columns ? y.bytes * x.view->cols / y.view->cols : y.bytes;
  c.uses = 1;
  if (fit.layout == Fit::Layout::transposed) c.layout = "transposed";
  if (fit.layout == Fit::Layout::columns)
    c.layout = fmt::format("columns {} to {}", fit.first, fit.first + x.view->cols);
  out_->changes.push_back(std::move(c));
}

}  // namespace lathe::diff
