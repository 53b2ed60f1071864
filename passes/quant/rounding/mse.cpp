// The scale (and zero point) of least squared error: narrower ranges are tried (clip search, "OCTAV": Sakr et
// al., "Optimal Clipping and Magnitude-aware Differentiation for Improved Quantization-aware Training", ICML
// 2022; the grid is that of GPTQ's `mse` option), and for the codes of each the scale is refitted by least
// squares, as k-quants do. Errors count by the importance of their row where it is known.
#include <algorithm>

#include "passes/quant/rounding/tile.h"

namespace lathe {
namespace {

// Sums over a column for codes q of (scale, zero): e = q - zero, num = sum w e v, den = sum w e e. Without
// the promise that nothing overlaps g++ -O2 leaves the loops scalar.
LATHE_CLONES void fit(const float* __restrict values, const float* __restrict importance, int64_t rows,
                      const float* __restrict inverse, const float* __restrict zero, float top,
                      float* __restrict num, float* __restrict den) {
  for (int64_t c = 0; c < kTileColumns; ++c) num[c] = den[c] = 0;
  for (int64_t r = 0; r < rows; ++r) {
    const float* row = values + r * kTileColumns;
    const float w = importance != nullptr ? importance[r] : 1.0f;
    for (int64_t c = 0; c < kTileColumns; ++c) {
      float x = row[c] * inverse[c] + zero[c];
      x = x > 0 ? x : 0;
      x = x < top ? x : top;
      // x is in [0, top], and lround would keep the loop scalar.
      const float code =
          static_cast<float>(static_cast<int32_t>(x + 0.5f));  // NOLINT(bugprone-incorrect-roundings)
      const float e = code - zero[c], we = w * e;
      num[c] += we * row[c];
      den[c] += we * e;
    }
  }
}

class Search {
 public:
  Search(Tile& t, const Scheme& s) : t_(t), s_(s) {
    for (int64_t c = 0; c < kTileColumns; ++c) {
      best_[c] = 0;
      scale_[c] = 0;
      zero_[c] = s.symmetric ? middle_code(s) : 0;
    }
  }

  // Tries (scale, zero) for every column and keeps what explains more of it: sum w v^2 - error.
  void consider(const Lane& scale, const Lane& zero) {
    Lane inverse, num, den;
    for (int64_t c = 0; c < kTileColumns; ++c) inverse[c] = reciprocal(scale[c]);
    fit(t_.values.data(), t_.importance, t_.rows, inverse.v, zero.v, top_code(s_), num.v, den.v);
    for (int64_t c = 0; c < kTileColumns; ++c) {
      // The best scale of all, before it is rounded, bounds what the stored one can reach: most candidates
      // end here.
      if (!(den[c] > 0) || !(num[c] * num[c] > best_[c] * den[c])) continue;
      const float refitted = stored_scale(s_, num[c] / den[c]);
      const float gain = refitted * (2 * num[c] - refitted * den[c]);
      if (!(gain > best_[c]) || !std::isfinite(refitted)) continue;
      best_[c] = gain;
      scale_[c] = refitted;
      zero_[c] = zero[c];
    }
  }

  const Lane& scale() const { return scale_; }
  const Lane& zero() const { return zero_; }

  void finish() {
    t_.scale = scale_;
    t_.zero = zero_;
    tile_encode(t_, s_, t_.scale, t_.zero);
  }

 private:
  Tile& t_;
  const Scheme& s_;
  Lane best_, scale_, zero_;
};

}  // namespace

void round_mse(Tile& t, const Scheme& s) {
  Lane low, high, scale, zero, widest;
  tile_range(t, low, high);
  const float top = top_code(s), middle = middle_code(s);
  // How far clipping can pay: the fewer the levels, the further.
  const float least = s.bits == 2 ? 0.3f : s.bits == 4 ? 0.56f : 0.9f;
  constexpr int kSteps = 12;
  Search search(t, s);
  for (int i = 0; i <= kSteps; ++i) {
    const float f = 1 + (least - 1) * static_cast<float>(i) / kSteps;
    for (const float sign : {1.0f, -1.0f}) {
      for (int64_t c = 0; c < kTileColumns; ++c) {
        if (s.symmetric) {
          const float m = std::fabs(low[c]) > std::fabs(high[c]) ? low[c] : high[c];
          scale[c] = sign * f * m / -middle;
          zero[c] = middle;
        } else {
          const float bottom = std::min(low[c], 0.0f), span = std::max(high[c], 0.0f) - bottom;
          scale[c] = f * span / top;
          const float z = scale[c] != 0 ? -bottom * f / scale[c] : 0;
          zero[c] = std::clamp(s.float_zero ? stored_scale(s, z) : std::round(z), 0.0f, top);
        }
      }
      if (i == 0) widest = scale;
      search.consider(scale, zero);
      if (!s.symmetric) break;
    }
  }
  // Around the best: other zero points, and the codes of the refitted scale.
  for (const float shift : {-1.0f, 1.0f, 0.0f, -1.0f, 1.0f, 0.0f}) {
    const float step = s.symmetric ? 0 : shift;
    for (int64_t c = 0; c < kTileColumns; ++c) {
      zero[c] = std::clamp(search.zero()[c] + (s.float_zero ? 0.25f * step : step), 0.0f, top);
      scale[c] = search.scale()[c] * (1 + 0.02f * (s.symmetric ? shift : 0));
    }
    search.consider(scale, zero);
  }
  search.finish();
  for (int64_t c = 0; c < kTileColumns; ++c)  // beyond the type of the scales: for the caller to refuse
    if (!std::isfinite(stored_scale(s, widest[c]))) t.scale[c] = widest[c] * HUGE_VALF;
}

}  // namespace lathe
