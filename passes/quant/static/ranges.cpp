#include "passes/quant/static/ranges.h"

#include <algorithm>
#include <cmath>

#include "ir/ops/convert.h"

namespace lathe {
namespace {

constexpr size_t kCells = 2048;

std::optional<Tensor> floats(const Datum& d) {
  const Tensor* t = d.tensor();
  if (t == nullptr || !is_floating(t->dtype) || t->count() == 0) return std::nullopt;
  return convert(t->aligned(), DType::F32);
}

size_t cell_of(const Histogram& h, double x) {
  const double at = (x - h.range.low) / h.width();
  return static_cast<size_t>(std::clamp(at, 0.0, static_cast<double>(h.counts.size() - 1)));
}

// Squared error of rounding to `levels` codes over the range and of cutting off the rest.
double squared_error(const Histogram& h, const CodeRange& r, int levels) {
  const double step = (r.high - r.low) / (levels - 1), inside = step * step / 12;
  double sum = 0;
  for (size_t i = 0; i < h.counts.size(); ++i) {
    if (h.counts[i] == 0) continue;
    const double x = h.center(i), over = x > r.high ? x - r.high : x < r.low ? r.low - x : 0;
    sum += static_cast<double>(h.counts[i]) * (over > 0 ? over * over : inside);
  }
  return sum;
}

// Divergence of the distribution, cut off at the range, from itself on `levels` codes.
double divergence(const Histogram& h, const CodeRange& r, int levels) {
  const size_t first = cell_of(h, r.low), last = cell_of(h, r.high), cells = last - first + 1;
  std::vector<double> p(cells);
  double total = 0, inside = 0;
  for (size_t i = 0; i < h.counts.size(); ++i) {
    p[std::clamp(i, first, last) - first] += static_cast<double>(h.counts[i]);
    total += static_cast<double>(h.counts[i]);
    if (i >= first && i <= last) inside += static_cast<double>(h.counts[i]);
  }
  if (inside == 0) return HUGE_VAL;
  double sum = 0;
  const auto codes = static_cast<size_t>(levels);
  for (size_t c = 0; c < std::min(codes, cells); ++c) {
    const size_t begin = c * cells / codes, end = std::max(begin + 1, (c + 1) * cells / codes);
    double mass = 0, filled = 0;  // of the cells as they are: what was cut off is not in the codes
    for (size_t i = begin; i < std::min(end, cells); ++i) {
      mass += static_cast<double>(h.counts[first + i]);
      filled += h.counts[first + i] != 0 ? 1 : 0;
    }
    for (size_t i = begin; i < std::min(end, cells); ++i) {
      if (p[i] == 0) continue;
      const double q = h.counts[first + i] != 0 ? mass / filled : 1e-3;
      sum += p[i] / total * std::log(p[i] / total / (q / inside));
    }
  }
  return sum;
}

// The ends move in, one after the other, while the cost falls.
template <class Cost>
CodeRange search(const CodeRange& whole, const Cost& cost) {
  constexpr int kSteps = 60;
  constexpr double kStep = 0.015;
  CodeRange best = whole;
  double least = cost(whole);
  for (int turn = 0; turn < 2; ++turn)
    for (const bool top : {true, false}) {
      const CodeRange from = best;
      for (int i = 1; i <= kSteps; ++i) {
        CodeRange r = from;
        (top ? r.high : r.low) *= 1 - kStep * i;
        if (!(r.high > r.low)) break;
        if (const double c = cost(r); c < least) {
          least = c;
          best = r;
        }
      }
    }
  return best;
}

CodeRange percentile(const Histogram& h, double percent) {
  double total = 0;
  for (const uint64_t c : h.counts) total += static_cast<double>(c);
  const double cut = total * (100 - percent) / 200;
  CodeRange r = h.range;
  double below = 0, above = 0;
  for (size_t i = 0; i < h.counts.size() && (below += static_cast<double>(h.counts[i])) <= cut; ++i)
    r.low = h.range.low + h.width() * static_cast<double>(i + 1);
  for (size_t i = h.counts.size(); i > 0 && (above += static_cast<double>(h.counts[i - 1])) <= cut; --i)
    r.high = h.range.low + h.width() * static_cast<double>(i - 1);
  return {std::min(r.low, 0.0), std::max(r.high, 0.0)};
}

}  // namespace

CodeRange choose_range(const Histogram& h, const RangeOptions& o) {
  if (!(h.range.high > h.range.low) || o.method == RangeMethod::minmax) return h.range;
  CodeRange r;
  if (o.method == RangeMethod::percentile)
    r = percentile(h, o.percentile);
  else if (o.method == RangeMethod::mse)
    r = search(h.range, [&](const CodeRange& x) { return squared_error(h, x, o.levels); });
  else  // TensorRT's 128 levels: cells per code must be several for the divergence to tell anything
    r = search(h.range, [&](const CodeRange& x) { return divergence(h, x, std::min(o.levels, 128)); });
  return r.high > r.low ? r : h.range;
}

std::map<ValueId, CodeRange> tensor_ranges(const Model& m, const ShapeValues& values,
                                           const std::vector<ValueId>& wanted,
                                           const CalibrationOptions& calibration,
                                           const RangeOptions& options) {
  std::map<ValueId, Histogram> seen;
  const auto reset = [&] {
    seen.clear();
    for (const ValueId v : wanted) seen[v];
  };
  reset();
  run_calibration(
      m, values, calibration,
      [&](ValueId v, const Datum& d) {
        const auto it = seen.find(v);
        const auto x = it == seen.end() ? std::nullopt : floats(d);
        if (!x) return;
        if (it->second.counts.empty()) it->second.counts.assign(kCells, 0);
        for (const float f : x->data<float>()) {
          if (!std::isfinite(f)) fail("calibration met a NaN or an infinity in '{}'", m[v].name);
          it->second.range.low = std::min(it->second.range.low, static_cast<double>(f));
          it->second.range.high = std::max(it->second.range.high, static_cast<double>(f));
        }
      },
      reset);
  std::erase_if(seen, [](const auto& s) { return s.second.counts.empty(); });
  if (options.method != RangeMethod::minmax && !seen.empty())
    run_calibration(
        m, values, calibration,
        [&](ValueId v, const Datum& d) {
          const auto it = seen.find(v);
          const auto x =
              it == seen.end() || !(it->second.range.high > it->second.range.low) ? std::nullopt : floats(d);
          if (!x) return;
          for (const float f : x->data<float>()) ++it->second.counts[cell_of(it->second, f)];
        },
        [&] {
          for (auto& [v, h] : seen) h.counts.assign(kCells, 0);
        });
  std::map<ValueId, CodeRange> ranges;
  for (const auto& [v, h] : seen) ranges[v] = choose_range(h, options);
  return ranges;
}

}  // namespace lathe
