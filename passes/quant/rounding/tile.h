// The unit of work of a rounding method: one block of K for 64 columns at once, so that every loop over
// columns is a vector loop and no two columns wait for each other.
#pragma once
#include <cmath>
#include <cstdint>
#include <vector>

#include "ir/base/clones.h"
#include "ir/base/narrow_types.h"
#include "passes/quant/scheme.h"

namespace lathe {

inline constexpr int64_t kTileColumns = 64;

// 16 columns: one register of AVX-512, two of AVX2, four of SSE2.
inline constexpr int64_t kWide = 16;
using Floats = float __attribute__((vector_size(64)));
using Ints = int32_t __attribute__((vector_size(64)));
using Codes = uint8_t __attribute__((vector_size(16)));
inline constexpr int32_t kWithoutSign = 0x7fffffff;  // of the bits of a float

// A value per column.
struct alignas(64) Lane {
  float v[kTileColumns];
  float& operator[](int64_t c) { return v[c]; }
  float operator[](int64_t c) const { return v[c]; }
};

struct Tile {
  explicit Tile(int64_t block)
      : values(static_cast<size_t>(block * kTileColumns)), codes(static_cast<size_t>(block * kTileColumns)) {}

  std::vector<float> values;          // [block][64]; rows and columns that the matrix has not are zero
  std::vector<uint8_t> codes;         // [block][64]
  int64_t rows = 0;                   // rows that the matrix has here
  const float* importance = nullptr;  // [rows]: what an error in each row counts; null: the same
  Lane scale, zero;                   // value = (code - zero) * scale
  // Of the last encoding, by column: largest error, sums of squared errors and of squared values.
  Lane worst, squares, norm;
};

inline float top_code(const Scheme& s) { return static_cast<float>((1 << s.bits) - 1); }
inline float middle_code(const Scheme& s) { return static_cast<float>(1 << (s.bits - 1)); }

// The scale as it will be stored.
inline float stored_scale(const Scheme& s, float x) {
  if (s.scales == DType::F16) return static_cast<float>(Half(x));
  if (s.scales == DType::BF16) return static_cast<float>(BFloat16(x));
  return x;
}

// The same for all columns at once.
void store_scales(const Scheme& s, Lane& x);

// Zero points of blocks that begin at `bottom` (at most 0): -bottom / scale as the scheme stores it.
void round_zeros(const Scheme& s, const Lane& bottom, const Lane& scale, Lane& zero);

// A subnormal scale has no finite reciprocal: such a block is as good as zero.
inline float reciprocal(float scale) {
  const float r = scale != 0 ? 1.0f / scale : 0.0f;
  return std::isfinite(r) ? r : 0.0f;
}
void tile_reciprocals(const Lane& scale, Lane& inverse);

// Extremes of each column over the rows of the tile.
void tile_range(const Tile& t, Lane& low, Lane& high);
// codes = clamp(round half away from zero (value / scale + zero)) over all rows of the block; their errors.
void tile_encode(Tile& t, const Scheme& s, const Lane& scale, const Lane& zero);
// The errors of the tile's codes, wherever they are from.
void tile_errors(Tile& t);

// The methods. Each sets scale, zero and codes of the tile from its values.
void round_nearest(Tile& t, const Scheme& s);
void round_mse(Tile& t, const Scheme& s);
void round_hqq(Tile& t, const Scheme& s);

}  // namespace lathe
