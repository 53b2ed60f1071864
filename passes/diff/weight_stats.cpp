#include <algorithm>
#include <cmath>

#include "ir/base/parallel.h"
#include "passes/diff/weights.h"

namespace lathe::diff {
namespace {

constexpr int64_t kTileRows = 64, kTileCols = 512;

struct Sums {
  int64_t differing = 0, finite = 0, nan_a = 0, nan_b = 0;
  double max = 0, abs = 0, squares = 0, aa = 0, bb = 0, ab = 0;
};

Sums tile(const WeightView& a, const WeightView& b, int64_t r, int64_t nr, int64_t c, int64_t nc,
          std::vector<double>& x, std::vector<double>& y) {
  a.read(r, nr, c, nc, x.data());
  b.read(r, nr, c, nc, y.data());
  Sums s;
  for (int64_t i = 0; i < nr * nc; ++i) {
    const double p = x[static_cast<size_t>(i)], q = y[static_cast<size_t>(i)];
    const double d = std::fabs(p - q);
    if (!(d <= 1e300)) {  // a NaN or infinity, rare
      const bool bad_p = !std::isfinite(p), bad_q = !std::isfinite(q);
      s.nan_a += bad_p;
      s.nan_b += bad_q;
      s.differing += !(p == q || (std::isnan(p) && std::isnan(q)));
      if (bad_p || bad_q) continue;
    } else {
      s.differing += d != 0;
    }
    ++s.finite;
    s.max = std::max(s.max, d);
    s.abs += d;
    s.squares += d * d;
    s.aa += p * p;
    s.bb += q * q;
    s.ab += p * q;
  }
  return s;
}

}  // namespace

WeightStats compare_views(const WeightView& a, const WeightView& b) {
  WeightStats out;
  out.count = a.rows * a.cols;
  if (out.count == 0) return out;
  // Rows are many or one; a tile is about as large either way.
  const int64_t rows = std::min(a.rows, kTileRows), cols = std::min(a.cols, kTileRows * kTileCols / rows);
  const int64_t down = (a.rows + rows - 1) / rows, across = (a.cols + cols - 1) / cols;
  std::vector<Sums> sums(static_cast<size_t>(down * across));
  parallel_for(down * across, 4, [&](int64_t begin, int64_t end) {
    std::vector<double> x(static_cast<size_t>(rows * cols)), y(x.size());
    for (int64_t t = begin; t < end; ++t) {
      const int64_t r = t / across * rows, c = t % across * cols;
      sums[static_cast<size_t>(t)] =
          tile(a, b, r, std::min(rows, a.rows - r), c, std::min(cols, a.cols - c), x, y);
    }
  });
  Sums all;
  for (const Sums& s : sums) {
    all.differing += s.differing;
    all.finite += s.finite;
    all.nan_a += s.nan_a;
    all.nan_b += s.nan_b;
    all.max = std::max(all.max, s.max);
    all.abs += s.abs;
    all.squares += s.squares;
    all.aa += s.aa;
    all.bb += s.bb;
    all.ab += s.ab;
  }
  out.differing = all.differing;
  out.nan_a = all.nan_a;
  out.nan_b = all.nan_b;
  out.max_abs = all.max;
  if (all.finite > 0) out.mean_abs = all.abs / static_cast<double>(all.finite);
  out.relative = all.aa > 0 ? std::sqrt(all.squares / all.aa) : all.squares > 0 ? HUGE_VAL : 0;
  out.cosine = all.aa > 0 && all.bb > 0 ? all.ab / std::sqrt(all.aa) / std::sqrt(all.bb)
               : all.aa == all.bb       ? 1
                                        : 0;
  return out;
}

}  // namespace lathe::diff
