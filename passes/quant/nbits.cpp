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
  float worst = 0;
  double squares = 0, norm = 0;
};

// Largest of worst / |scale|, and the sums, over all columns: one order on every processor.
LATHE_CLONES void sum_columns(const float* worst, const float* squares, const float* norm, const float* scale,
                              float* most, double* error, double* all) {
  const Floats none = {};
  Floats largest = none, errors = none, values = none;
  for (int64_t c = 0; c < kTileColumns; c += kWide) {
    Floats w, e, v, s;
    std::memcpy(&w, worst + c, sizeof w);
    std::memcpy(&e, squares + c, sizeof e);
    std::memcpy(&v, norm + c, sizeof v);
    std::memcpy(&s, scale + c, sizeof s);
    s = s < none ? -s : s;
    const Floats ratio = s > none ? w / s : none;
    largest = ratio > largest ? ratio : largest;
    errors += e;
    values += v;
  }
  float ratios[kWide], e[kWide], v[kWide];
  std::memcpy(ratios, &largest, sizeof ratios);
  std::memcpy(e, &errors, sizeof e);
  std::memcpy(v, &values, sizeof v);
  for (int64_t i = 0; i < kWide; ++i) {
    *most = ratios[i] > *most ? ratios[i] : *most;
    *error += static_cast<double>(e[i]);
    *all += static_cast<double>(v[i]);
  }
}

// A square of four rows of `from`, `stride` bytes apart, as four columns of a tile.
void turn_four(const std::byte* from, int64_t stride, float* to) {
  using Four = float __attribute__((vector_size(16)));
  Four a, b, c, d;
  std::memcpy(&a, from, sizeof a);
  std::memcpy(&b, from + stride, sizeof b);
  std::memcpy(&c, from + 2 * stride, sizeof c);
  std::memcpy(&d, from + 3 * stride, sizeof d);
  const Four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  const Four high_ab = __builtin_shufflevector(a, b, 2, 6, 3, 7),
             high_cd = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  const Four rows[4] = {__builtin_shufflevector(ab, cd, 0, 1, 4, 5),
                        __builtin_shufflevector(ab, cd, 2, 3, 6, 7),
                        __builtin_shufflevector(high_ab, high_cd, 0, 1, 4, 5),
                        __builtin_shufflevector(high_ab, high_cd, 2, 3, 6, 7)};
  for (int r = 0; r < 4; ++r) std::memcpy(to + r * kTileColumns, &rows[r], sizeof rows[r]);
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
    const auto codes_bytes = static_cast<size_t>(checked_mul(checked_mul(n_, blocks_), blob_));
    const Spill codes = spill(codes_bytes);
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
    // Rows of blocks lie on all pages of what the columns become: so many columns at a time stay in memory.
    const auto tile_bytes =
        static_cast<int64_t>((codes_bytes + scale_bytes + zero_bytes) / static_cast<size_t>(tiles));
    const int64_t panel = std::max<int64_t>(1, input_.panel_bytes / std::max<int64_t>(1, tile_bytes));
    const int64_t row_tasks = (blocks_ + kBlocks - 1) / kBlocks;
    std::vector<Error> errors;
    for (int64_t first = 0; first < tiles; first += panel) {
      const int64_t last = std::min(tiles, first + panel);
      const int64_t tasks = by_rows ? row_tasks : last - first;
      const size_t before = errors.size();
      errors.resize(before + static_cast<size_t>(tasks));
      parallel_for(tasks, 1, [&](int64_t begin, int64_t end) {
        Tile tile(s_.block);
        for (int64_t task = begin; task < end; ++task) {
          Error& error = errors[before + static_cast<size_t>(task)];
          if (feedback) {
            whole_columns(tile, first + task, error);
            continue;
          }
          const int64_t tile0 = by_rows ? first : first + task, tile1 = by_rows ? last : tile0 + 1;
          const int64_t block0 = by_rows ? task * kBlocks : 0;
          const int64_t block1 = by_rows ? std::min(blocks_, block0 + kBlocks) : blocks_;
          for (int64_t t = tile0; t < tile1; ++t)
            for (int64_t b = block0; b < block1; ++b) {
              by_rows ? expect(t + 1, b) : expect(t, b + 1);
              load(tile, t, b);
              round(tile);
              finish(tile, t, b, error);
            }
          leave(tile0, tile1, block0, block1);
        }
      });
      const auto part = [&](const Spill& s, size_t bytes) {
        const size_t column = bytes / static_cast<size_t>(n_);
        const auto from = static_cast<size_t>(first * kTileColumns);
        const auto to = static_cast<size_t>(std::min(n_, last * kTileColumns));
        MappedFile::forget({s.data + from * column, (to - from) * column});
      };
      part(codes, codes_bytes);
      part(scales, scale_bytes);
      part(zeros, zero_bytes);
    }
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
    q.max_error = static_cast<double>(sum.worst);
    q.rms_error = sum.norm > 0 ? std::sqrt(sum.squares / sum.norm) : 0;
    return q;
  }

 private:
  bool finite() const {
    for (int64_t i = 0, count = w_.count(); i < count; ++i)
      if (!std::isfinite(read_float(w_.bytes().data() + i * unit_, w_.dtype))) return false;
    return true;
  }

  // A task has read these rows of the weight: if they are a piece of a mapped file, they leave memory.
  void leave(int64_t tile0, int64_t tile1, int64_t block0, int64_t block1) const {
    const int64_t row0 = transposed_ ? tile0 * kTileColumns : block0 * s_.block;
    const int64_t row1 = transposed_ ? std::min(n_, tile1 * kTileColumns) : std::min(k_, block1 * s_.block);
    const int64_t width = transposed_ ? k_ : n_;
    if (input_.have_read && (transposed_ || tile0 == 0)) input_.have_read(row0, row1);
    MappedFile::forget(w_.bytes().subspan(static_cast<size_t>(row0 * width * unit_),
                                          static_cast<size_t>((row1 - row0) * width * unit_)));
  }

  // Block b of tile t is wanted soon: its pieces of rows lie apart, and the processor would not foresee them.
  void expect(int64_t t, int64_t b) const {
    constexpr int64_t kLine = 64;
    const int64_t first = t * kTileColumns, width = std::min(kTileColumns, n_ - first);
    const int64_t row0 = b * s_.block, rows = std::min(s_.block, k_ - row0);
    if (width <= 0 || rows <= 0) return;
    const int64_t pieces = transposed_ ? width : rows, bytes = (transposed_ ? rows : width) * unit_;
    const std::byte* at = w_.bytes().data() + (transposed_ ? first * k_ + row0 : row0 * n_ + first) * unit_;
    for (int64_t i = 0; i < pieces; ++i, at += (transposed_ ? k_ : n_) * unit_)
      for (int64_t j = 0; j < bytes; j += kLine) __builtin_prefetch(at + j);
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
      float* to = x.values.data();
      const bool whole = unit_ == 4 && rows % 4 == 0;
      int64_t c = 0;
      for (; whole && c + 4 <= width; c += 4)
        for (int64_t r = 0; r < rows; r += 4)
          turn_four(data + ((first + c) * k_ + row0 + r) * 4, k_ * 4, to + r * kTileColumns + c);
      for (; c < width; ++c) {
        const std::byte* at = data + ((first + c) * k_ + row0) * unit_;
        for (int64_t r = 0; r < rows; ++r) to[r * kTileColumns + c] = read_float(at + r * unit_, w_.dtype);
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
      tile_errors(x);
      finish(x, t, b, error);
    }
  }

  void finish(const Tile& x, int64_t t, int64_t b, Error& error) const {
    const int64_t first = t * kTileColumns, width = std::min(kTileColumns, n_ - first);
    sum_columns(x.worst.v, x.squares.v, x.norm.v, x.scale.v, &error.worst, &error.squares, &error.norm);
    store_codes(x, first, width, b);
    store_floats(x.scale, scales_, first, width, b);
    if (zeros_ != nullptr && s_.float_zero) store_floats(x.zero, zeros_, first, width, b);
    if (zeros_ != nullptr && !s_.float_zero) store_zeros(x, first, width, b);
  }

  void store_floats(const Lane& x, std::byte* to, int64_t first, int64_t width, int64_t b) const {
    if (s_.scales != DType::F16) {
      for (int64_t c = 0; c < width; ++c) write_float(to, (first + c) * blocks_ + b, s_.scales, x[c]);
      return;
    }
    Half halves[kTileColumns];
    narrow_to_halves(x.v, halves, kTileColumns);
    std::byte* at = to + (first * blocks_ + b) * 2;
    const int64_t stride = blocks_ * 2;
    for (int64_t c = 0; c < width; ++c, at += stride) std::memcpy(at, &halves[c], 2);
  }

  void store_codes(const Tile& x, int64_t first, int64_t width, int64_t b) const {
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
      std::byte* at = codes_ + (first * blocks_ + b) * blob_ + i;
      const int64_t stride = blocks_ * blob_;
      for (int64_t c = 0; c < width; ++c, at += stride) std::memcpy(at, &words[c], kWord);
    }
  }

  void store_zeros(const Tile& x, int64_t first, int64_t width, int64_t b) const {
    const int per_byte = 8 / s_.bits, shift = s_.bits * static_cast<int>(b % per_byte);
    std::byte* at = zeros_ + first * zero_row_ + b / per_byte;
    for (int64_t c = 0; c < width; ++c, at += zero_row_) {
      const float zero = x.zero[c] > 0 ? x.zero[c] : 0;  // a NaN here is refused at the end
      *at |= static_cast<std::byte>(static_cast<unsigned>(static_cast<int>(zero)) << shift);
    }
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
