// Half-quadratic quantization (Badri and Shaji, "Half-Quadratic Quantization of Large Machine Learning
// Models", 2023): the scale spans the block, and the zero point minimises an l_p norm (p < 1) of the error,
// so that outliers do not pull it: alternately a shrinkage of the error and a mean. lp 0.7, beta 10,
// kappa 1.01, 20 steps as published. Where the layout wants whole zero points, the nearest is taken at the
// end and the scale refitted.
#include <algorithm>

#include "passes/quant/rounding/tile.h"

namespace lathe {
namespace {

constexpr float kNorm = 0.7f, kBeta = 10.0f, kKappa = 1.01f;
constexpr int kSteps = 20;

// Mean absolute error of each column.
LATHE_CLONES void column_error(const float* values, const uint8_t* codes, int64_t rows, const float* scale,
                               const float* zero, float* error) {
  for (int64_t c = 0; c < kTileColumns; ++c) error[c] = 0;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < kTileColumns; ++c) {
      const float d = values[r * kTileColumns + c] -
                      (static_cast<float>(codes[r * kTileColumns + c]) - zero[c]) * scale[c];
      error[c] += d < 0 ? -d : d;
    }
}

// The error pulled towards zero: sign(x) max(|x| - |x|^(p-1) / beta, 0).
float shrink(float x, float beta) {
  const float a = std::fabs(x);
  if (a == 0) return 0;
  const float left = a - std::pow(a, kNorm - 1) / beta;
  return left > 0 ? std::copysign(left, x) : 0;
}

}  // namespace

void round_hqq(Tile& t, const Scheme& s) {
  if (s.symmetric) return round_mse(t, s);  // there is no zero point to move
  Scheme free = s;
  free.float_zero = true;
  round_nearest(t, free);
  const auto error = [&](const Lane& zero) {
    Lane sum;
    column_error(t.values.data(), t.codes.data(), t.rows, t.scale.v, zero.v, sum.v);
    float all = 0;
    for (const float x : sum.v) all += x;
    return all;
  };
  Lane zero = t.zero;
  float best = error(zero), beta = kBeta;
  for (int step = 0; step < kSteps; ++step, beta *= kKappa) {
    Lane sum{};
    for (int64_t r = 0; r < t.rows; ++r)
      for (int64_t c = 0; c < kTileColumns; ++c) {
        const auto at = static_cast<size_t>(r * kTileColumns + c);
        const float q = static_cast<float>(t.codes[at]), w = t.values[at];
        const float e = shrink(w - (q - zero[c]) * t.scale[c], beta);
        sum[c] += q - (w - e) * reciprocal(t.scale[c]);
      }
    for (int64_t c = 0; c < kTileColumns; ++c) zero[c] = stored_scale(s, sum[c] / static_cast<float>(t.rows));
    tile_encode(t, s, t.scale, zero);
    const float now = error(zero);
    if (!(now < best)) break;
    best = now;
    t.zero = zero;
  }
  if (!s.float_zero)
    for (int64_t c = 0; c < kTileColumns; ++c)
      t.zero[c] = std::clamp(std::round(t.zero[c]), 0.0f, top_code(s));
  tile_encode(t, s, t.scale, t.zero);
}

}  // namespace lathe
