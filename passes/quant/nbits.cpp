#include "passes/quant/nbits.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "ir/base/parallel.h"
#include "passes/quant/rounding/tile.h"

namespace lathe {
namespace {

struct Error {
  double worst = 0, squares = 0, norm = 0;
};

LATHE_CLONES void column_errors(const float* values, int64_t rows, const float* scale, const float* zero,
                                const uint8_t* codes, float* worst, float* squares, float* norm) {
  for (int64_t c = 0; c < kTileColumns; ++c) worst[c] = squares[c] = norm[c] = 0;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < kTileColumns; ++c) {
      const float w = values[r * kTileColumns + c];
      const float d = w - (static_cast<float>(codes[r * kTileColumns + c]) - zero[c]) * scale[c];
      const float a = d < 0 ? -d : d;
      worst[c] = a > worst[c] ? a : worst[c];
      squares[c] += d * d;
      norm[c] += w * w;
    }
}

float read_float(const std::byte* at, DType t) {
  if (t == DType::F32) {
    float v;
    std::memcpy(&v, at, 4);
    return v;
  }
  uint16_t h;
  std::memcpy(&h, at, 2);
  return t == DType::F16 ? static_cast<float>(Eigen::numext::bit_cast<Half>(h))
                         : static_cast<float>(Eigen::numext::bit_cast<BFloat16>(h));
}

void write_float(std::byte* to, int64_t i, DType t, float v) {
  if (t == DType::F32) {
    std::memcpy(to + i * 4, &v, 4);
    return;
  }
  const auto h = t == DType::F16 ? Eigen::numext::bit_cast<uint16_t>(Half(v))
                                 : Eigen::numext::bit_cast<uint16_t>(BFloat16(v));
  std::memcpy(to + i * 2, &h, 2);
}

class Quantizer {
 public:
  Quantizer(const Tensor& w, bool transposed, const Scheme& s, const WeightInput& input)
      : w_(w), transposed_(transposed), s_(s), input_(input) {
    if (w.rank() != 2) fail("quantization by blocks wants a matrix, the weight has rank {}", w.rank());
    if (w.dtype != DType::F32 && w.dtype != DType::F16 && w.dtype != DType::BF16)
      fail("quantization by blocks wants float32, float16 or bfloat16 weights, not {}", onnx_name(w.dtype));
    unit_ = w.dtype == DType::F32 ? 4 : 2;
    k_ = w.dims[transposed ? 1 : 0];
    n_ = w.dims[transposed ? 0 : 1];
    if (k_ == 0 || n_ == 0) fail("the weight is empty");
    blocks_ = (k_ + s.block - 1) / s.block;
    blob_ = s.block * s.bits / 8;
    zero_row_ = (blocks_ * s.bits + 7) / 8;
    if (!input.importance.empty() && static_cast<int64_t>(input.importance.size()) != k_)
      fail("{} input channels were captured, the weight has {}", input.importance.size(), k_);
    if (s.rounding == Rounding::gptq && input.factor != nullptr &&
        static_cast<int64_t>(input.factor->order.size()) != k_)
      fail("{} input channels were captured, the weight has {}", input.factor->order.size(), k_);
  }

  NBitsWeight run() {
    NBitsWeight q;
    q.codes = Tensor::uninitialized(DType::U8, {n_, blocks_, blob_});
    q.scales = Tensor::uninitialized(s_.scales, {n_, blocks_});
    if (!s_.symmetric)
      q.zero_points = s_.float_zero ? Tensor::uninitialized(s_.scales, {n_, blocks_})
                                    : Tensor::make(DType::U8, {n_, zero_row_});
    codes_ = q.codes.mutable_bytes().data();
    scales_ = q.scales.mutable_bytes().data();
    zeros_ = s_.symmetric ? nullptr : q.zero_points.mutable_bytes().data();
    const int64_t tiles = (n_ + kTileColumns - 1) / kTileColumns;
    std::vector<Error> errors(static_cast<size_t>(tiles));
    const bool feedback = s_.rounding == Rounding::gptq && input_.factor != nullptr;
    // A tile of columns owns its bytes, zero points too (they are padded by column): no two threads share
    // one.
    parallel_for(tiles, 1, [&](int64_t begin, int64_t end) {
      Tile tile(s_.block);
      for (int64_t t = begin; t < end; ++t) {
        if (feedback) {
          whole_columns(tile, t, errors[static_cast<size_t>(t)]);
          continue;
        }
        for (int64_t b = 0; b < blocks_; ++b) {
          load(tile, t, b);
          round(tile);
          finish(tile, t, b, errors[static_cast<size_t>(t)]);
        }
      }
    });
    Error sum;
    for (const Error& e : errors) {
      sum.worst = std::max(sum.worst, e.worst);
      sum.squares += e.squares;
      sum.norm += e.norm;
    }
    if (!std::isfinite(sum.norm) && !finite())
      fail("the weight has a NaN or an infinity and cannot be quantized");
    if (!std::isfinite(sum.norm) || !std::isfinite(sum.squares))
      fail("the weight has values beyond the range of {} scales", onnx_name(s_.scales));
    q.max_error = sum.worst;
    q.rms_error = sum.norm > 0 ? std::sqrt(sum.squares / sum.norm) : 0;
    return q;
  }

 private:
  bool finite() const {
    for (int64_t i = 0, count = w_.count(); i < count; ++i)
      if (!std::isfinite(read_float(w_.bytes().data() + i * unit_, w_.dtype))) return false;
    return true;
  }

  // Reads block b of the columns of tile t as float; rows beyond K and columns beyond N are zeros.
  void load(Tile& x, int64_t t, int64_t b) const {
    const int64_t first = t * kTileColumns, width = std::min(kTileColumns, n_ - first);
    const int64_t row0 = b * s_.block, rows = std::min(s_.block, k_ - row0);
    x.rows = rows;
    x.importance = input_.importance.empty() ? nullptr : input_.importance.data() + row0;
    const std::byte* data = w_.bytes().data();
    if (rows < s_.block || width < kTileColumns) std::fill(x.values.begin(), x.values.end(), 0.0f);
    if (transposed_) {
      for (int64_t c = 0; c < width; ++c) {
        const std::byte* at = data + ((first + c) * k_ + row0) * unit_;
        for (int64_t r = 0; r < rows; ++r)
          x.values[static_cast<size_t>(r * kTileColumns + c)] = read_float(at + r * unit_, w_.dtype);
      }
      return;
    }
    for (int64_t r = 0; r < rows; ++r) {
      const std::byte* at = data + ((row0 + r) * n_ + first) * unit_;
      float* to = &x.values[static_cast<size_t>(r * kTileColumns)];
      if (unit_ == 4) {
        std::memcpy(to, at, static_cast<size_t>(width) * 4);
      } else {
        for (int64_t c = 0; c < width; ++c) to[c] = read_float(at + c * unit_, w_.dtype);
      }
    }
  }

  void round(Tile& x) const {
    if (s_.rounding == Rounding::rtn) return round_nearest(x, s_);
    if (s_.rounding == Rounding::hqq) return round_hqq(x, s_);
    round_mse(x, s_);
  }

  // GPTQ: scales from all rows first (they do not move with the order), then codes row by row.
  void whole_columns(Tile& x, int64_t t, Error& error) {
    const auto blocks = static_cast<size_t>(blocks_);
    std::vector<Lane> scale(blocks), zero(blocks);
    std::vector<float> values(static_cast<size_t>(k_ * kTileColumns));
    std::vector<uint8_t> codes(values.size());
    const auto part = [&](int64_t b) { return static_cast<std::ptrdiff_t>(b * s_.block * kTileColumns); };
    for (int64_t b = 0; b < blocks_; ++b) {
      load(x, t, b);
      round_mse(x, s_);
      scale[static_cast<size_t>(b)] = x.scale;
      zero[static_cast<size_t>(b)] = x.zero;
      std::copy_n(x.values.begin(), x.rows * kTileColumns, values.begin() + part(b));
    }
    gptq_round(*input_.factor, s_, values, scale, zero, codes);
    for (int64_t b = 0; b < blocks_; ++b) {
      load(x, t, b);
      x.scale = scale[static_cast<size_t>(b)];
      x.zero = zero[static_cast<size_t>(b)];
      std::copy_n(codes.begin() + part(b), x.rows * kTileColumns, x.codes.begin());
      std::fill(x.codes.begin() + x.rows * kTileColumns, x.codes.end(),
                static_cast<uint8_t>(middle_code(s_)));
      finish(x, t, b, error);
    }
  }

  void finish(const Tile& x, int64_t t, int64_t b, Error& error) {
    const int64_t first = t * kTileColumns, width = std::min(kTileColumns, n_ - first);
    Lane worst, squares, norm;
    column_errors(x.values.data(), x.rows, x.scale.v, x.zero.v, x.codes.data(), worst.v, squares.v, norm.v);
    for (int64_t c = 0; c < width; ++c) {
      const float step = std::fabs(x.scale[c]);
      if (step > 0) error.worst = std::max(error.worst, static_cast<double>(worst[c] / step));
      error.squares += squares[c];
      error.norm += norm[c];
      store(x, first + c, b, c);
    }
  }

  void store(const Tile& x, int64_t n, int64_t b, int64_t c) {
    std::byte* out = codes_ + (n * blocks_ + b) * blob_;
    const int per_byte = 8 / s_.bits;
    const uint8_t* code = x.codes.data() + c;
    for (int64_t i = 0; i < blob_; ++i) {
      unsigned byte = 0;
      for (int j = 0; j < per_byte; ++j)
        byte |= static_cast<unsigned>(code[(i * per_byte + j) * kTileColumns]) << (j * s_.bits);
      out[i] = static_cast<std::byte>(byte);
    }
    const int64_t at = n * blocks_ + b;
    write_float(scales_, at, s_.scales, x.scale[c]);
    if (zeros_ == nullptr) return;
    if (s_.float_zero) return write_float(zeros_, at, s_.scales, x.zero[c]);
    const float zero = x.zero[c] > 0 ? x.zero[c] : 0;  // a NaN here is refused at the end
    zeros_[n * zero_row_ + b / per_byte] |=
        static_cast<std::byte>(static_cast<unsigned>(zero) << (s_.bits * static_cast<int>(b % per_byte)));
  }

  const Tensor& w_;
  bool transposed_;
  Scheme s_;
  WeightInput input_;
  int64_t unit_ = 4, k_ = 0, n_ = 0, blocks_ = 0, blob_ = 0, zero_row_ = 0;
  std::byte *codes_ = nullptr, *scales_ = nullptr, *zeros_ = nullptr;
};

}  // namespace

void check_scheme(const Scheme& s) {
  if (s.bits != 2 && s.bits != 4 && s.bits != 8) fail_usage("a weight of {} bits, not 2, 4 or 8", s.bits);
  if (s.block < 16 || s.block > (int64_t{1} << 20) || (s.block & (s.block - 1)) != 0)
    fail_usage("blocks of {}: wanted is a power of two from 16 on", s.block);
  if (s.scales != DType::F32 && s.scales != DType::F16 && s.scales != DType::BF16)
    fail_usage("scales of type {}: wanted is float32, float16 or bfloat16", onnx_name(s.scales));
}

NBitsWeight quantize_nbits(const Tensor& w, bool transposed, const Scheme& scheme, const WeightInput& input) {
  check_scheme(scheme);
  return Quantizer(w, transposed, scheme, input).run();
}

Tensor dequantize_nbits(const NBitsWeight& q, int64_t k, int64_t n, bool transposed, const Scheme& scheme) {
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
  const auto zero = [&](int64_t col, int64_t b) {
    if (scheme.symmetric) return middle_code(scheme);
    if (scheme.float_zero) return static_cast<float>(q.zero_points.as_double(col * blocks + b));
    return static_cast<float>(code(q.zero_points, col * zero_row, b));
  };
  for (int64_t col = 0; col < n; ++col)
    for (int64_t row = 0; row < k; ++row) {
      const int64_t b = row / scheme.block;
      const auto scale = static_cast<float>(q.scales.as_double(col * blocks + b));
      const float v =
          (static_cast<float>(code(q.codes, (col * blocks + b) * blob, row % scheme.block)) - zero(col, b)) *
          scale;
      values[static_cast<size_t>(transposed ? col * k + row : row * n + col)] = v;
    }
  return out;
}

}  // namespace lathe
