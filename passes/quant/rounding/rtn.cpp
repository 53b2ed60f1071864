// Round to nearest as onnxruntime's own quantizer does it (mlas/lib/q4_dq.cpp): the scale spans the block's
// extremes, a product with the float32 reciprocal, halves away from zero. Equal settings give equal bytes.
#include <algorithm>
#include <cstring>
#include <limits>

#include "ir/ops/half_rows.h"
#include "passes/quant/rounding/tile.h"

namespace lathe {
namespace {

LATHE_CLONES void range(const float* values, int64_t rows, float* low, float* high) {
  for (int64_t c = 0; c < kTileColumns; c += kWide) {
    Floats least, most;
    std::memcpy(&least, values + c, sizeof least);
    most = least;
    for (int64_t r = 1; r < rows; ++r) {
      Floats x;
      std::memcpy(&x, values + r * kTileColumns + c, sizeof x);
      least = x < least ? x : least;
      most = x > most ? x : most;
    }
    std::memcpy(low + c, &least, sizeof least);
    std::memcpy(high + c, &most, sizeof most);
  }
}

struct Errors {
  float *worst, *squares, *norm;
};

// roundf of a non-negative x is trunc(x) + (fraction >= 1/2). Errors count in the first `rows` of `block`.
LATHE_CLONES void encode(const float* values, int64_t rows, int64_t block, const float* inverse,
                         const float* zero, const float* scale, float top, uint8_t* codes, Errors errors) {
  const Floats none = {};
  const Floats most = none + top, half = none + 0.5f;
  for (int64_t c = 0; c < kTileColumns; c += kWide) {
    Floats by, middle, step, worst = none, squares = none, norm = none;
    std::memcpy(&by, inverse + c, sizeof by);
    std::memcpy(&middle, zero + c, sizeof middle);
    std::memcpy(&step, scale + c, sizeof step);
    for (int64_t r = 0; r < block; ++r) {
      Floats w;
      std::memcpy(&w, values + r * kTileColumns + c, sizeof w);
      Floats x = w * by + middle;
      x = x > none ? x : none;
      x = x < most ? x : most;
      Ints whole = __builtin_convertvector(x, Ints);
      whole -= x - __builtin_convertvector(whole, Floats) >= half;  // -1 where true
      const Codes code = __builtin_convertvector(whole, Codes);
      std::memcpy(codes + r * kTileColumns + c, &code, sizeof code);
      if (r >= rows) continue;
      const Floats d = w - (__builtin_convertvector(whole, Floats) - middle) * step;
      const Floats size = reinterpret_cast<Floats>(reinterpret_cast<Ints>(d) & kWithoutSign);
      worst = size > worst ? size : worst;
      squares += d * d;
      norm += w * w;
    }
    std::memcpy(errors.worst + c, &worst, sizeof worst);
    std::memcpy(errors.squares + c, &squares, sizeof squares);
    std::memcpy(errors.norm + c, &norm, sizeof norm);
  }
}

LATHE_CLONES void measure(const float* values, int64_t rows, const float* scale, const float* zero,
                          const uint8_t* codes, Errors errors) {
  for (int64_t c = 0; c < kTileColumns; ++c) errors.worst[c] = errors.squares[c] = errors.norm[c] = 0;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < kTileColumns; ++c) {
      const float w = values[r * kTileColumns + c];
      const float d = w - (static_cast<float>(codes[r * kTileColumns + c]) - zero[c]) * scale[c];
      const float size = d < 0 ? -d : d;
      errors.worst[c] = size > errors.worst[c] ? size : errors.worst[c];
      errors.squares[c] += d * d;
      errors.norm[c] += w * w;
    }
}

// Scale and zero point of blocks between low and high, zero included.
LATHE_CLONES void spans(const float* low, const float* high, float top, float* bottom, float* scale) {
  const Floats none = {};
  for (int64_t c = 0; c < kTileColumns; c += kWide) {
    Floats least, most;
    std::memcpy(&least, low + c, sizeof least);
    std::memcpy(&most, high + c, sizeof most);
    least = least < none ? least : none;
    most = most > none ? most : none;
    const Floats span = (most - least) / (none + top);
    std::memcpy(bottom + c, &least, sizeof least);
    std::memcpy(scale + c, &span, sizeof span);
  }
}

// Nearest whole zero points (halves up; they are not negative) of blocks from `bottom` in these steps.
LATHE_CLONES void whole_zeros(const float* bottom, const float* scale, float top, float* zero) {
  const Floats none = {};
  const Floats most = none + top, half = none + 0.5f, one = none + 1.0f;
  for (int64_t c = 0; c < kTileColumns; c += kWide) {
    Floats from, step;
    std::memcpy(&from, bottom + c, sizeof from);
    std::memcpy(&step, scale + c, sizeof step);
    Floats z = step != none ? -from / step : none;
    z = z < most ? z : most;  // before it is cut: an integer may not hold more
    const Floats whole = __builtin_convertvector(__builtin_convertvector(z, Ints), Floats);
    z = z - whole >= half ? whole + one : whole;
    z = z > none ? z : none;
    std::memcpy(zero + c, &z, sizeof z);
  }
}

LATHE_CLONES void reciprocals(const float* scale, float* inverse) {
  const Floats none = {};
  const Floats one = none + 1.0f, most = none + std::numeric_limits<float>::max();
  for (int64_t c = 0; c < kTileColumns; c += kWide) {
    Floats s;
    std::memcpy(&s, scale + c, sizeof s);
    Floats r = one / s;
    const Floats size = reinterpret_cast<Floats>(reinterpret_cast<Ints>(r) & kWithoutSign);
    r = size <= most ? r : none;
    std::memcpy(inverse + c, &r, sizeof r);
  }
}

}  // namespace

void tile_reciprocals(const Lane& scale, Lane& inverse) { reciprocals(scale.v, inverse.v); }

void round_zeros(const Scheme& s, const Lane& bottom, const Lane& scale, Lane& zero) {
  const float top = top_code(s);
  if (!s.float_zero) return whole_zeros(bottom.v, scale.v, top, zero.v);
  for (int64_t c = 0; c < kTileColumns; ++c) zero[c] = scale[c] != 0 ? -bottom[c] / scale[c] : 0;
  store_scales(s, zero);
  for (int64_t c = 0; c < kTileColumns; ++c) zero[c] = std::clamp(zero[c], 0.0f, top);
}

void tile_range(const Tile& t, Lane& low, Lane& high) { range(t.values.data(), t.rows, low.v, high.v); }

void tile_encode(Tile& t, const Scheme& s, const Lane& scale, const Lane& zero) {
  Lane inverse;
  reciprocals(scale.v, inverse.v);
  encode(t.values.data(), t.rows, static_cast<int64_t>(t.values.size()) / kTileColumns, inverse.v, zero.v,
         scale.v, top_code(s), t.codes.data(), {t.worst.v, t.squares.v, t.norm.v});
}

void tile_errors(Tile& t) {
  measure(t.values.data(), t.rows, t.scale.v, t.zero.v, t.codes.data(), {t.worst.v, t.squares.v, t.norm.v});
}

void store_scales(const Scheme& s, Lane& x) {
  if (s.scales == DType::F16) {
    Half halves[kTileColumns];
    narrow_to_halves(x.v, halves, kTileColumns);
    widen_halves(halves, x.v, kTileColumns);
  } else if (s.scales == DType::BF16) {
    for (float& v : x.v) v = stored_scale(s, v);
  }
}

void round_nearest(Tile& t, const Scheme& s) {
  Lane low, high;
  tile_range(t, low, high);
  const float top = top_code(s), middle = middle_code(s);
  if (s.symmetric) {
    for (int64_t c = 0; c < kTileColumns; ++c) {
      const float m = std::fabs(low[c]) > std::fabs(high[c]) ? low[c] : high[c];
      t.scale[c] = m / -middle;
      t.zero[c] = middle;
    }
    store_scales(s, t.scale);
  } else {
    Lane bottom;
    spans(low.v, high.v, top, bottom.v, t.scale.v);
    store_scales(s, t.scale);
    round_zeros(s, bottom, t.scale, t.zero);
  }
  tile_encode(t, s, t.scale, t.zero);
}

}  // namespace lathe
