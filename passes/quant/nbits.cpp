#include "passes/quant/nbits.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "ir/base/narrow_types.h"
#include "ir/base/parallel.h"

// Two builds of the hot loops, chosen at start-up. Without contraction both give the same bits.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define LATHE_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define LATHE_CLONES
#endif

namespace lathe {
namespace {

constexpr int64_t kColumns = 64;  // columns of one tile: a row of a tile is four cache lines

float half_round(float x) { return static_cast<float>(Half(x)); }

// Column-wise extremes of a tile (rows x kColumns, row-major).
LATHE_CLONES void extremes(const float* tile, int64_t rows, float* low, float* high) {
  for (int64_t c = 0; c < kColumns; ++c) low[c] = high[c] = tile[c];
  for (int64_t r = 1; r < rows; ++r) {
    const float* row = tile + r * kColumns;
    for (int64_t c = 0; c < kColumns; ++c) {
      low[c] = row[c] < low[c] ? row[c] : low[c];
      high[c] = row[c] > high[c] ? row[c] : high[c];
    }
  }
}

// codes = clamp(roundf(v * inverse + zero), 0, top); roundf of a non-negative x is trunc(x) + (fraction >=
// 1/2).
LATHE_CLONES void encode(const float* tile, int64_t rows, const float* inverse, const float* zero, float top,
                         uint8_t* codes) {
  for (int64_t r = 0; r < rows; ++r) {
    const float* row = tile + r * kColumns;
    uint8_t* out = codes + r * kColumns;
    for (int64_t c = 0; c < kColumns; ++c) {
      float x = row[c] * inverse[c] + zero[c];
      x = x > 0 ? x : 0;
      x = x < top ? x : top;
      const auto whole = static_cast<int32_t>(x);
      out[c] = static_cast<uint8_t>(whole + (x - static_cast<float>(whole) >= 0.5f ? 1 : 0));
    }
  }
}

struct Error {
  double worst = 0, squares = 0, norm = 0;
};

LATHE_CLONES void column_errors(const float* tile, int64_t rows, const float* scale, const float* zero,
                                const uint8_t* codes, float* worst, float* squares, float* norm) {
  for (int64_t c = 0; c < kColumns; ++c) worst[c] = squares[c] = norm[c] = 0;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < kColumns; ++c) {
      const float w = tile[r * kColumns + c];
      const float d = w - (static_cast<float>(codes[r * kColumns + c]) - zero[c]) * scale[c];
      const float a = d < 0 ? -d : d;
      worst[c] = a > worst[c] ? a : worst[c];
      squares[c] += d * d;
      norm[c] += w * w;
    }
}

class Quantizer {
 public:
  Quantizer(const Tensor& w, bool transposed, const NBitsScheme& s) : w_(w), transposed_(transposed), s_(s) {
    if (w.rank() != 2) fail("MatMulNBits wants a matrix, the weight has rank {}", w.rank());
    if (w.dtype != DType::F32 && w.dtype != DType::F16) fail("MatMulNBits wants float32 or float16 weights");
    k_ = w.dims[transposed ? 1 : 0];
    n_ = w.dims[transposed ? 0 : 1];
    blocks_ = (k_ + s.block - 1) / s.block;
    blob_ = s.block * s.bits / 8;
    zero_row_ = (blocks_ * s.bits + 7) / 8;
  }

  NBitsWeight run() {
    NBitsWeight q;
    q.codes = Tensor::uninitialized(DType::U8, {n_, blocks_, blob_});
    q.scales = Tensor::uninitialized(s_.half_scales ? DType::F16 : DType::F32, {checked_mul(n_, blocks_)});
    if (!s_.symmetric) q.zero_points = Tensor::make(DType::U8, {checked_mul(n_, zero_row_)});
    codes_ = q.codes.mutable_bytes().data();
    scales_ = q.scales.mutable_bytes().data();
    zeros_ = s_.symmetric ? nullptr : q.zero_points.mutable_bytes().data();
    const int64_t tiles = (n_ + kColumns - 1) / kColumns;
    std::vector<Error> errors(static_cast<size_t>(tiles));
    // A tile of columns owns its bytes, zero points too (they are padded by column): no two threads share
    // one.
    parallel_for(tiles, 1, [&](int64_t begin, int64_t end) {
      Buffers buffers(s_.block);
      for (int64_t t = begin; t < end; ++t)
        for (int64_t b = 0; b < blocks_; ++b) tile(buffers, t, b, errors[static_cast<size_t>(t)]);
    });
    Error sum;
    for (const Error& e : errors) {
      sum.worst = std::max(sum.worst, e.worst);
      sum.squares += e.squares;
      sum.norm += e.norm;
    }
    if (!std::isfinite(sum.norm)) fail("the weight has a NaN or an infinity and cannot be quantized");
    q.max_error = sum.worst;
    q.rms_error = sum.norm > 0 ? std::sqrt(sum.squares / sum.norm) : 0;
    return q;
  }

 private:
  struct Buffers {
    explicit Buffers(int64_t block)
        : tile(static_cast<size_t>(block * kColumns)), codes(static_cast<size_t>(block * kColumns)) {}
    std::vector<float> tile;
    std::vector<uint8_t> codes;
    float low[kColumns], high[kColumns], scale[kColumns], inverse[kColumns], zero[kColumns], worst[kColumns],
        squares[kColumns], norm[kColumns];
  };

  // Reads block b of columns [first, first + width) as float, rows beyond K and columns beyond N as zeros.
  void read(Buffers& x, int64_t first, int64_t width, int64_t row0, int64_t rows) const {
    const std::byte* data = w_.bytes().data();
    const int64_t unit = w_.dtype == DType::F32 ? 4 : 2;
    if (rows < s_.block || width < kColumns) std::fill(x.tile.begin(), x.tile.end(), 0.0f);
    const auto value = [&](int64_t r, int64_t c) {
      const int64_t at = transposed_ ? (first + c) * k_ + row0 + r : (row0 + r) * n_ + first + c;
      if (unit == 4) {
        float v;
        std::memcpy(&v, data + at * 4, 4);
        return v;
      }
      uint16_t h;
      std::memcpy(&h, data + at * 2, 2);
      return static_cast<float>(Eigen::numext::bit_cast<Half>(h));
    };
    if (!transposed_ && unit == 4) {
      for (int64_t r = 0; r < rows; ++r)
        std::memcpy(&x.tile[static_cast<size_t>(r * kColumns)], data + ((row0 + r) * n_ + first) * 4,
                    static_cast<size_t>(width) * 4);
      return;
    }
    for (int64_t c = 0; c < width; ++c)
      for (int64_t r = 0; r < rows; ++r) x.tile[static_cast<size_t>(r * kColumns + c)] = value(r, c);
  }

  // Scale, its reciprocal and zero point of one column from its extremes.
  void choose(Buffers& x, int64_t c) const {
    const float levels = static_cast<float>(1 << s_.bits), middle = levels / 2;
    if (s_.symmetric) {
      const float m = std::fabs(x.low[c]) > std::fabs(x.high[c]) ? x.low[c] : x.high[c];
      x.scale[c] = m / -middle;
      x.zero[c] = middle;
    } else {
      const float low = std::min(x.low[c], 0.0f), high = std::max(x.high[c], 0.0f);
      x.scale[c] = (high - low) / (levels - 1);
      x.zero[c] = 0;
    }
    if (s_.half_scales) x.scale[c] = half_round(x.scale[c]);
    x.inverse[c] = x.scale[c] != 0 ? 1.0f / x.scale[c] : 0.0f;
    // A subnormal scale has no finite reciprocal: such a block is as good as zero.
    if (!std::isfinite(x.inverse[c])) x.inverse[c] = 0;
    if (!s_.symmetric && x.scale[c] != 0) {
      const float z = std::round(-std::min(x.low[c], 0.0f) / x.scale[c]);
      x.zero[c] = std::clamp(z, 0.0f, levels - 1);
    }
  }

  void tile(Buffers& x, int64_t t, int64_t b, Error& error) {
    const int64_t first = t * kColumns, width = std::min(kColumns, n_ - first);
    const int64_t row0 = b * s_.block, rows = std::min(s_.block, k_ - row0);
    read(x, first, width, row0, rows);
    extremes(x.tile.data(), rows, x.low, x.high);
    for (int64_t c = 0; c < kColumns; ++c) choose(x, c);
    encode(x.tile.data(), s_.block, x.inverse, x.zero, static_cast<float>((1 << s_.bits) - 1),
           x.codes.data());
    column_errors(x.tile.data(), rows, x.scale, x.zero, x.codes.data(), x.worst, x.squares, x.norm);
    for (int64_t c = 0; c < width; ++c) {
      const float step = std::fabs(x.scale[c]);
      if (step > 0) error.worst = std::max(error.worst, static_cast<double>(x.worst[c] / step));
      error.squares += x.squares[c];
      error.norm += x.norm[c];
      store(x, first + c, b, c);
    }
  }

  void store(const Buffers& x, int64_t n, int64_t b, int64_t c) {
    std::byte* out = codes_ + (n * blocks_ + b) * blob_;
    const int per_byte = 8 / s_.bits;
    const uint8_t* code = x.codes.data() + c;
    for (int64_t i = 0; i < blob_; ++i) {
      unsigned byte = 0;
      for (int j = 0; j < per_byte; ++j)
        byte |= static_cast<unsigned>(code[(i * per_byte + j) * kColumns]) << (j * s_.bits);
      out[i] = static_cast<std::byte>(byte);
    }
    const int64_t at = n * blocks_ + b;
    if (s_.half_scales) {
      const auto h = Eigen::numext::bit_cast<uint16_t>(Half(x.scale[c]));
      std::memcpy(scales_ + at * 2, &h, 2);
    } else {
      std::memcpy(scales_ + at * 4, &x.scale[c], 4);
    }
    if (zeros_ != nullptr) {
      std::byte& z = zeros_[n * zero_row_ + b / per_byte];
      z |= static_cast<std::byte>(static_cast<unsigned>(x.zero[c])
                                  << (s_.bits * static_cast<int>(b % per_byte)));
    }
  }

  const Tensor& w_;
  bool transposed_;
  NBitsScheme s_;
  int64_t k_ = 0, n_ = 0, blocks_ = 0, blob_ = 0, zero_row_ = 0;
  std::byte *codes_ = nullptr, *scales_ = nullptr, *zeros_ = nullptr;
};

}  // namespace

NBitsWeight quantize_nbits(const Tensor& w, bool transposed, const NBitsScheme& scheme) {
  return Quantizer(w, transposed, scheme).run();
}

Tensor dequantize_nbits(const NBitsWeight& q, int64_t k, int64_t n, bool transposed,
                        const NBitsScheme& scheme) {
  Tensor out = Tensor::uninitialized(DType::F32, transposed ? std::vector{n, k} : std::vector{k, n});
  const auto values = out.mutable_data<float>();
  const int64_t blocks = (k + scheme.block - 1) / scheme.block, blob = scheme.block * scheme.bits / 8;
  const int64_t zero_row = (blocks * scheme.bits + 7) / 8;
  const int per_byte = 8 / scheme.bits, mask = (1 << scheme.bits) - 1;
  const auto code = [&](const Tensor& t, int64_t byte, int64_t i) {
    return (std::to_integer<int>(t.bytes()[static_cast<size_t>(byte + i / per_byte)]) >>
            (scheme.bits * static_cast<int>(i % per_byte))) &
           mask;
  };
  for (int64_t col = 0; col < n; ++col)
    for (int64_t row = 0; row < k; ++row) {
      const int64_t b = row / scheme.block;
      const int zero = scheme.symmetric ? 1 << (scheme.bits - 1) : code(q.zero_points, col * zero_row, b);
      const auto scale = static_cast<float>(q.scales.as_double(col * blocks + b));
      const float v =
          static_cast<float>(code(q.codes, (col * blocks + b) * blob, row % scheme.block) - zero) * scale;
      values[static_cast<size_t>(transposed ? col * k + row : row * n + col)] = v;
    }
  return out;
}

}  // namespace lathe
