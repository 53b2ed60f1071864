#include "passes/quant/nbits.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "ir/base/mapped_file.h"
#include "ir/base/parallel.h"
#include "ir/core/spill.h"
#include "ir/ops/half_rows.h"
#include "passes/quant/rounding/tile.h"

namespace lathe {
namespace {

struct Error {
  double worst = 0, squares = 0, norm = 0;
};

LATHE_CLONES void column_errors(const float* values, int64_t rows, const float* scale, const float* zero,
                                const uint8_t* codes, float* worst, float* squares, float* norm) {
  const Floats none = {};
  for (int64_t c = 0; c < kTileColumns; c += kWide) {
    Floats step, middle, most = none, error = none, all = none;
    std::memcpy(&step, scale + c, sizeof step);
    std::memcpy(&middle, zero + c, sizeof middle);
    for (int64_t r = 0; r < rows; ++r) {
      Floats w;
      Codes code;
      std::memcpy(&w, values + r * kTileColumns + c, sizeof w);
      std::memcpy(&code, codes + r * kTileColumns + c, sizeof code);
      const Floats q = __builtin_convertvector(__builtin_convertvector(code, Ints), Floats);
      const Floats d = w - (q - middle) * step;
      const Floats a = d < none ? -d : d;
      most = a > most ? a : most;
      error += d * d;
      all += w * w;
    }
    std::memcpy(worst + c, &most, sizeof most);
    std::memcpy(squares + c, &error, sizeof error);
    std::memcpy(norm + c, &all, sizeof all);
  }
}

using Bytes64 = uint8_t __attribute__((vector_size(64)));
using Bytes8 = uint8_t __attribute__((vector_size(8)));
using Words8 = uint64_t __attribute__((vector_size(64)));

// Eight bytes of codes of each column, lowest bits first: words[c].
LATHE_CLONES void pack_words(const uint8_t* codes, int bits, uint64_t* words) {
  alignas(64) uint8_t packed[8][kTileColumns];
  const int per_byte = 8 / bits;
  for (auto& row : packed) {
    Bytes64 byte = {};
    for (int j = 0; j < per_byte; ++j, codes += kTileColumns) {
      Bytes64 code;
      std::memcpy(&code, codes, sizeof code);
      byte |= code << (j * bits);
    }
    std::memcpy(row, &byte, sizeof byte);
  }
  for (int64_t c = 0; c < kTileColumns; c += 8) {
    Words8 word = {};
    for (int i = 0; i < 8; ++i) {
      Bytes8 byte;
      std::memcpy(&byte, packed[i] + c, sizeof byte);
      word |= __builtin_convertvector(byte, Words8) << (8 * i);
    }
    std::memcpy(words + c, &word, sizeof word);
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
    const Spill codes = spill(static_cast<size_t>(checked_mul(checked_mul(n_, blocks_), blob_)));
    const size_t scale_bytes = static_cast<size_t>(n_ * blocks_) * (s_.scales == DType::F32 ? 4 : 2);
    const Spill scales = spill(scale_bytes);
    const size_t zero_bytes = s_.symmetric    ? 0
                              : s_.float_zero ? scale_bytes
                                              : static_cast<size_t>(n_ * zero_row_);
    const Spill zeros = spill(zero_bytes);
    if (zero_bytes > 0) std::memset(zeros.data, 0, zero_bytes);
    codes_ = codes.data;
    scales_ = scales.data;
    zeros_ = zeros.data;
    const int64_t tiles = (n_ + kTileColumns - 1) / kTileColumns;
    const bool feedback = s_.rounding == Rounding::gptq && input_.factor != nullptr;
    // In the order of the weight's bytes: by columns where they are stored one after the other, else by rows
    // of whole blocks. Either way a task owns its bytes: zero points are padded by column, and eight blocks
    // fill theirs.
    constexpr int64_t kBlocks = 8;
    const bool by_rows = !transposed_ && !feedback;
    const int64_t tasks = by_rows ? (blocks_ + kBlocks - 1) / kBlocks : tiles;
    std::vector<Error> errors(static_cast<size_t>(tasks));
    parallel_for(tasks, 1, [&](int64_t begin, int64_t end) {
      Tile tile(s_.block);
      for (int64_t task = begin; task < end; ++task) {
        Error& error = errors[static_cast<size_t>(task)];
        if (feedback) {
          whole_columns(tile, task, error);
          continue;
        }
        const int64_t tile0 = by_rows ? 0 : task, tile1 = by_rows ? tiles : task + 1;
        const int64_t block0 = by_rows ? task * kBlocks : 0;
        const int64_t block1 = by_rows ? std::min(blocks_, block0 + kBlocks) : blocks_;
        for (int64_t t = tile0; t < tile1; ++t)
          for (int64_t b = block0; b < block1; ++b) {
            load(tile, t, b);
            round(tile);
            finish(tile, t, b, error);
          }
        forget(tile0, tile1, block0, block1);
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
    q.codes = codes.tensor(DType::U8, {n_, blocks_, blob_});
    q.scales = scales.tensor(s_.scales, {n_, blocks_});
    if (s_.float_zero && !s_.symmetric) q.zero_points = zeros.tensor(s_.scales, {n_, blocks_});
    if (!s_.float_zero && !s_.symmetric) q.zero_points = zeros.tensor(DType::U8, {n_, zero_row_});
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

  // The bytes of the weight that a task has read, if they are a piece of a mapped file.
  void forget(int64_t tile0, int64_t tile1, int64_t block0, int64_t block1) const {
    const int64_t row0 = transposed_ ? tile0 * kTileColumns : block0 * s_.block;
    const int64_t row1 = transposed_ ? std::min(n_, tile1 * kTileColumns) : std::min(k_, block1 * s_.block);
    const int64_t width = transposed_ ? k_ : n_;
    MappedFile::forget(w_.bytes().subspan(static_cast<size_t>(row0 * width * unit_),
                                          static_cast<size_t>((row1 - row0) * width * unit_)));
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
        if (unit_ == 4) {
          for (int64_t r = 0; r < rows; ++r)
            std::memcpy(&x.values[static_cast<size_t>(r * kTileColumns + c)], at + r * 4, 4);
          continue;
        }
        for (int64_t r = 0; r < rows; ++r)
          x.values[static_cast<size_t>(r * kTileColumns + c)] = read_float(at + r * unit_, w_.dtype);
      }
      return;
    }
    for (int64_t r = 0; r < rows; ++r) {
      const std::byte* at = data + ((row0 + r) * n_ + first) * unit_;
      float* to = &x.values[static_cast<size_t>(r * kTileColumns)];
      if (unit_ == 4 && width == kTileColumns) {
        std::memcpy(to, at, sizeof(float) * kTileColumns);
      } else if (unit_ == 4) {
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
    float most = 0, error_sum = 0, norm_sum = 0;
    for (int64_t c = 0; c < width; ++c) {
      const float step = std::fabs(x.scale[c]);
      if (worst[c] > most * step && step > 0) most = worst[c] / step;
      error_sum += squares[c];
      norm_sum += norm[c];
    }
    error.worst = std::max(error.worst, static_cast<double>(most));
    error.squares += error_sum;
    error.norm += norm_sum;
    store_codes(x, first, width, b);
    if (s_.scales == DType::F16) {
      Half halves[kTileColumns];
      narrow_to_halves(x.scale.v, halves, kTileColumns);
      for (int64_t c = 0; c < width; ++c)
        std::memcpy(scales_ + ((first + c) * blocks_ + b) * 2, &halves[c], 2);
    } else {
      for (int64_t c = 0; c < width; ++c)
        write_float(scales_, (first + c) * blocks_ + b, s_.scales, x.scale[c]);
    }
    if (zeros_ != nullptr)
      for (int64_t c = 0; c < width; ++c) store_zero(x, first + c, b, c);
  }

  void store_codes(const Tile& x, int64_t first, int64_t width, int64_t b) {
    constexpr int64_t kWord = 8;
    const int per_byte = 8 / s_.bits;
    if (blob_ % kWord != 0) {  // 2 bits in blocks of 16
      for (int64_t c = 0; c < width; ++c) {
        const uint8_t* code = x.codes.data() + c;
        for (int64_t i = 0; i < blob_; ++i) {
          unsigned byte = 0;
          for (int j = 0; j < per_byte; ++j)
            byte |= static_cast<unsigned>(code[(i * per_byte + j) * kTileColumns]) << (j * s_.bits);
          codes_[((first + c) * blocks_ + b) * blob_ + i] = static_cast<std::byte>(byte);
        }
      }
      return;
    }
    uint64_t words[kTileColumns];
    for (int64_t i = 0; i < blob_; i += kWord) {
      pack_words(x.codes.data() + i * per_byte * kTileColumns, s_.bits, words);
      for (int64_t c = 0; c < width; ++c)
        std::memcpy(codes_ + ((first + c) * blocks_ + b) * blob_ + i, &words[c], kWord);
    }
  }

  void store_zero(const Tile& x, int64_t n, int64_t b, int64_t c) {
    const int per_byte = 8 / s_.bits;
    if (s_.float_zero) return write_float(zeros_, n * blocks_ + b, s_.scales, x.zero[c]);
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
