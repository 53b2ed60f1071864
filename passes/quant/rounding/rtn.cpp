// Round to nearest as onnxruntime's own quantizer does it (mlas/lib/q4_dq.cpp): the scale spans the block's
// extremes, a product with the float32 reciprocal, halves away from zero. Equal settings give equal bytes.
#include <algorithm>

#include "passes/quant/rounding/tile.h"

namespace lathe {
namespace {

LATHE_CLONES void range(const float* values, int64_t rows, float* low, float* high) {
  for (int64_t c = 0; c < kTileColumns; ++c) low[c] = high[c] = values[c];
  for (int64_t r = 1; r < rows; ++r) {
    const float* row = values + r * kTileColumns;
    for (int64_t c = 0; c < kTileColumns; ++c) {
      low[c] = row[c] < low[c] ? row[c] : low[c];
      high[c] = row[c] > high[c] ? row[c] : high[c];
    }
  }
}

// roundf of a non-negative x is trunc(x) + (fraction >= 1/2).
LATHE_CLONES void encode(const float* values, int64_t rows, const float* inverse, const float* zero,
                         float top, uint8_t* codes) {
  for (int64_t r = 0; r < rows; ++r) {
    const float* row = values + r * kTileColumns;
    uint8_t* out = codes + r * kTileColumns;
    for (int64_t c = 0; c < kTileColumns; ++c) {
      float x = row[c] * inverse[c] + zero[c];
      x = x > 0 ? x : 0;
      x = x < top ? x : top;
      const auto whole = static_cast<int32_t>(x);
      out[c] = static_cast<uint8_t>(whole + (x - static_cast<float>(whole) >= 0.5f ? 1 : 0));
    }
  }
}

}  // namespace

void tile_range(const Tile& t, Lane& low, Lane& high) { range(t.values.data(), t.rows, low.v, high.v); }

void tile_encode(Tile& t, const Scheme& s, const Lane& scale, const Lane& zero) {
  Lane inverse;
  for (int64_t c = 0; c < kTileColumns; ++c) inverse[c] = reciprocal(scale[c]);
  encode(t.values.data(), static_cast<int64_t>(t.values.size()) / kTileColumns, inverse.v, zero.v,
         top_code(s), t.codes.data());
}

void round_nearest(Tile& t, const Scheme& s) {
  Lane low, high;
  tile_range(t, low, high);
  const float top = top_code(s), middle = middle_code(s);
  for (int64_t c = 0; c < kTileColumns; ++c) {
    if (s.symmetric) {
      const float m = std::fabs(low[c]) > std::fabs(high[c]) ? low[c] : high[c];
      t.scale[c] = stored_scale(s, m / -middle);
      t.zero[c] = middle;
      continue;
    }
    const float bottom = std::min(low[c], 0.0f), span = std::max(high[c], 0.0f) - bottom;
    t.scale[c] = stored_scale(s, span / top);
    const float zero = t.scale[c] != 0 ? -bottom / t.scale[c] : 0;
    t.zero[c] = std::clamp(s.float_zero ? stored_scale(s, zero) : std::round(zero), 0.0f, top);
  }
  tile_encode(t, s, t.scale, t.zero);
}

}  // namespace lathe
