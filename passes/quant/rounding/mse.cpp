// The scale (and zero point) of least squared error: narrower ranges are tried (clip search, "OCTAV": Sakr et
// al., "Optimal Clipping and Magnitude-aware Differentiation for Improved Quantization-aware Training", ICML
// 2022; the grid is that of GPTQ's `mse` option), and for the codes of each the scale is refitted by least
// squares, as k-quants do. Errors count by the importance of their row where it is known.
#include <algorithm>
#include <cstring>
#include <limits>

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

// The scales that fit best, before they are rounded as stored.
LATHE_CLONES void refit(const float* num, const float* den, float* scale) {
  const Floats none = {};
  for (int64_t c = 0; c < kTileColumns; c += kWide) {
    Floats n, d;
    std::memcpy(&n, num + c, sizeof n);
    std::memcpy(&d, den + c, sizeof d);
    const Floats s = d > none ? n / d : none;
    std::memcpy(scale + c, &s, sizeof s);
  }
}

// Keeps what explains more of its column: sum w v^2 - error.
LATHE_CLONES void keep_better(const float* num, const float* den, const float* refitted, const float* tried,
                              float* best, float* scale, float* zero) {
  const Floats none = {};
  const Floats most = none + std::numeric_limits<float>::max();
  for (int64_t c = 0; c < kTileColumns; c += kWide) {
    Floats n, d, s, z, gain_before, scale_before, zero_before;
    std::memcpy(&n, num + c, sizeof n);
    std::memcpy(&d, den + c, sizeof d);
    std::memcpy(&s, refitted + c, sizeof s);
    std::memcpy(&z, tried + c, sizeof z);
    std::memcpy(&gain_before, best + c, sizeof gain_before);
    std::memcpy(&scale_before, scale + c, sizeof scale_before);
    std::memcpy(&zero_before, zero + c, sizeof zero_before);
    Floats gain = s * (2 * n - s * d);
    const Floats size = reinterpret_cast<Floats>(reinterpret_cast<Ints>(s) & kWithoutSign);
    gain = size <= most ? gain : none;  // one comparison: joined masks leave the vector registers
    scale_before = gain > gain_before ? s : scale_before;
    zero_before = gain > gain_before ? z : zero_before;
    gain_before = gain > gain_before ? gain : gain_before;
    std::memcpy(best + c, &gain_before, sizeof gain_before);
    std::memcpy(scale + c, &scale_before, sizeof scale_before);
    std::memcpy(zero + c, &zero_before, sizeof zero_before);
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
    Lane inverse, num, den, refitted;
    tile_reciprocals(scale, inverse);
    fit(t_.values.data(), t_.importance, t_.rows, inverse.v, zero.v, top_code(s_), num.v, den.v);
    refit(num.v, den.v, refitted.v);
    store_scales(s_, refitted);
    keep_better(num.v, den.v, refitted.v, zero.v, best_.v, scale_.v, zero_.v);
  }

  const Lane& scale() const { return scale_; }
  const Lane& zero() const { return zero_; }

 private:
  Tile& t_;
  const Scheme& s_;
  Lane best_, scale_, zero_;
};

}  // namespace

void round_mse(Tile& t, const Scheme& s) {
  Lane low, high, scale, zero, widest, extreme, span, bottom;
  tile_range(t, low, high);
  const float top = top_code(s), middle = middle_code(s);
  for (int64_t c = 0; c < kTileColumns; ++c) {
    extreme[c] = (std::fabs(low[c]) > std::fabs(high[c]) ? low[c] : high[c]) / -middle;
    low[c] = std::min(low[c], 0.0f);
    span[c] = (std::max(high[c], 0.0f) - low[c]) / top;
    zero[c] = middle;
  }
  // How far clipping can pay: the fewer the levels, the further.
  const float least = s.bits == 2 ? 0.3f : s.bits == 4 ? 0.56f : 0.9f;
  constexpr int kSteps = 12;
  Search search(t, s);
  for (int i = 0; i <= kSteps; ++i) {
    const float f = 1 + (least - 1) * static_cast<float>(i) / kSteps;
    for (const float sign : {1.0f, -1.0f}) {
      if (s.symmetric) {
        for (int64_t c = 0; c < kTileColumns; ++c) scale[c] = sign * f * extreme[c];
      } else {
        for (int64_t c = 0; c < kTileColumns; ++c) {
          scale[c] = f * span[c];
          bottom[c] = f * low[c];
        }
        round_zeros(s, bottom, scale, zero);
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
  t.scale = search.scale();
  t.zero = search.zero();
  Lane stored = widest;
  store_scales(s, stored);
  for (int64_t c = 0; c < kTileColumns; ++c)  // beyond the type of the scales: for the caller to refuse
    if (!std::isfinite(stored[c])) t.scale[c] = widest[c] * HUGE_VALF;
  tile_encode(t, s, t.scale, t.zero);
}

}  // namespace lathe
