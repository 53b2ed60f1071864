// The scale (and zero point) of least squared error: narrower ranges are tried (clip search, "OCTAV": Sakr et
// al., "Optimal Clipping and Magnitude-aware Differentiation for Improved Quantization-aware Training", ICML
// 2022; the grid is that of GPTQ's `mse` option), and for the codes of each the scale is refitted by least
// squares, as k-quants do. Errors count by the importance of their row where it is known.
#include <algorithm>
#include <cstring>

#include "passes/quant/rounding/tile.h"

namespace lathe {
namespace {

// Sums over a column for codes q of (scale, zero): e = q - zero, num = sum w e v, den = sum w e e.
LATHE_CLONES void fit(const float* values, const float* importance, int64_t rows, const float* inverse,
                      const float* zero, float top, float* num, float* den) {
  const Floats none = {};
  const Floats most = none + top, half = none + 0.5f;
  for (int64_t c = 0; c < kTileColumns; c += kWide) {
    Floats by, middle, above = none, below = none;
    std::memcpy(&by, inverse + c, sizeof by);
    std::memcpy(&middle, zero + c, sizeof middle);
    for (int64_t r = 0; r < rows; ++r) {
      Floats v;
      std::memcpy(&v, values + r * kTileColumns + c, sizeof v);
      Floats x = v * by + middle;
      x = x > none ? x : none;
      x = x < most ? x : most;
      const Floats e = __builtin_convertvector(__builtin_convertvector(x + half, Ints), Floats) - middle;
      const Floats we = importance != nullptr ? e * importance[r] : e;
      above += we * v;
      below += we * e;
    }
    std::memcpy(num + c, &above, sizeof above);
    std::memcpy(den + c, &below, sizeof below);
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
          const float z = scale[c] != 0 ? -bottom * f / scale[c] : 0;  // not negative
          const float whole = std::trunc(z);
          zero[c] = s.float_zero ? z : whole + (z - whole >= 0.5f ? 1.0f : 0.0f);
        }
      }
      if (s.float_zero && !s.symmetric) store_scales(s, zero);
      for (int64_t c = 0; c < kTileColumns; ++c) zero[c] = std::clamp(zero[c], 0.0f, top);
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
