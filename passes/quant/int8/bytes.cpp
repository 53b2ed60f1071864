#include "passes/quant/int8/bytes.h"

#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <vector>

#include "ir/base/clones.h"
#include "ir/base/narrow_types.h"
#include "ir/base/parallel.h"
#include "ir/ops/convert.h"
#include "passes/quant/rounding/tile.h"

namespace lathe {
namespace {

constexpr int64_t kColumns = 64, kRows = 64;

// A piece of the matrix, rows by columns; columns that it has not are zero.
struct Piece {
  int64_t rows = 0;
  std::array<float, kRows * kColumns> values;
};

LATHE_CLONES void extremes(const float* values, int64_t rows, float* low, float* high) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < kColumns; ++c) {
      const float v = values[r * kColumns + c];
      low[c] = v < low[c] ? v : low[c];
      high[c] = v > high[c] ? v : high[c];
    }
}

// A NaN or an infinity makes the sum no number.
LATHE_CLONES float poison(const float* values, int64_t rows) {
  std::array<float, kColumns> sum{};
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < kColumns; ++c) sum[static_cast<size_t>(c)] += values[r * kColumns + c] * 0.0f;
  float all = 0;
  for (const float s : sum) all += s;
  return all;
}

// Added and taken away again, it rounds half to even, as numpy does; |x| below 2^22.
constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23

LATHE_CLONES void encode(const float* values, int64_t rows, const float* scale, const float* zero, float low,
                         float high, int8_t* codes, float* squares, float* norm) {
  using Bytes = int8_t __attribute__((vector_size(16)));
  const Floats none = {};
  const Floats least = none + low, most = none + high, magic = none + kMagic;
  for (int64_t c = 0; c < kColumns; c += kWide) {
    Floats step, middle, error = none, all = none;
    std::memcpy(&step, scale + c, sizeof step);
    std::memcpy(&middle, zero + c, sizeof middle);
    for (int64_t r = 0; r < rows; ++r) {
      Floats v;
      std::memcpy(&v, values + r * kColumns + c, sizeof v);
      Floats q = ((v / step + magic) - magic) + middle;
      q = q < least ? least : q;
      q = q > most ? most : q;
      const Bytes code = __builtin_convertvector(__builtin_convertvector(q, Ints), Bytes);
      std::memcpy(codes + r * kColumns + c, &code, sizeof code);
      const Floats d = v - (q - middle) * step;
      error += d * d;
      all += v * v;
    }
    std::memcpy(squares + c, &error, sizeof error);
    std::memcpy(norm + c, &all, sizeof all);
  }
}

constexpr int64_t kPart = int64_t{1} << 18;  // elements that are a thread's work

// Scales and zero points of the columns, one each.
class Columns {
 public:
  Columns(const ByteWeight& q, int64_t n) : n_(n), is_signed_(q.codes.dtype == DType::I8) {
    const bool lone = q.scales.rank() == 0;
    for (int64_t c = 0; c < n; ++c) {
      scale_.push_back(q.scales.data<float>()[static_cast<size_t>(lone ? 0 : c)]);
      zero_.push_back(static_cast<int32_t>(q.zero_points.as_i64(lone ? 0 : c)));
    }
  }

  // Columns [first, first + width) of a row, dequantized.
  void row(const Tensor& codes, int64_t r, int64_t first, int64_t width, float* to) const {
    const auto* at = reinterpret_cast<const uint8_t*>(codes.bytes().data()) + r * n_ + first;
    const float* scale = scale_.data() + first;
    const int32_t* zero = zero_.data() + first;
    for (int64_t c = 0; c < width; ++c) {
      const int32_t code = is_signed_ ? static_cast<int8_t>(at[c]) : at[c];
      to[c] = static_cast<float>(code - zero[c]) * scale[c];
    }
  }

 private:
  int64_t n_;
  bool is_signed_;
  std::vector<float> scale_;
  std::vector<int32_t> zero_;
};

class ByteQuantizer {
 public:
  ByteQuantizer(const Tensor& w, bool transposed, const ByteFormat& f)
      : w_(w), transposed_(transposed), f_(f) {
    if (w.rank() != 2) fail("quantization to bytes wants a matrix, the weight has rank {}", w.rank());
    if (w.dtype != DType::F32 && w.dtype != DType::F16 && w.dtype != DType::BF16)
      fail("quantization to bytes wants float32, float16 or bfloat16 weights, not {}", onnx_name(w.dtype));
    k_ = w.dims[transposed ? 1 : 0];
    n_ = w.dims[transposed ? 0 : 1];
    if (k_ == 0 || n_ == 0) fail("the weight is empty");
    tiles_ = (n_ + kColumns - 1) / kColumns;
    lowest_ = f.is_signed ? (f.reduce_range ? -64.0f : -127.0f) : 0.0f;
    highest_ = f.is_signed ? (f.reduce_range ? 64.0f : 127.0f) : (f.reduce_range ? 127.0f : 255.0f);
  }

  ByteWeight run() {
    find_ranges();
    const auto padded = static_cast<size_t>(tiles_ * kColumns);
    scale_.assign(padded, 1.0f);
    zero_.assign(padded, 0.0f);
    for (int64_t c = 0; c < n_; ++c) set_scale(static_cast<size_t>(c));
    ByteWeight q;
    q.codes = Tensor::uninitialized(f_.is_signed ? DType::I8 : DType::U8, {k_, n_});
    std::byte* out = q.codes.mutable_bytes().data();
    std::vector<double> squares(static_cast<size_t>(tiles_)), norm(squares);
    parallel_for(tiles_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t)
        write_tile(t, out, squares[static_cast<size_t>(t)], norm[static_cast<size_t>(t)]);
    });
    double error = 0, all = 0;
    for (size_t t = 0; t < squares.size(); ++t) {
      error += squares[t];
      all += norm[t];
    }
    q.rms_error = all > 0 ? std::sqrt(error / all) : 0;
    const std::vector<int64_t> dims = f_.per_channel ? std::vector{n_} : std::vector<int64_t>();
    q.scales = Tensor::uninitialized(DType::F32, dims);
    q.zero_points = Tensor::uninitialized(q.codes.dtype, dims);
    for (int64_t c = 0; c < q.scales.count(); ++c) {
      q.scales.mutable_data<float>()[static_cast<size_t>(c)] = scale_[static_cast<size_t>(c)];
      store_i64(q.codes.dtype, q.zero_points.mutable_bytes().data(), c,
                static_cast<int64_t>(zero_[static_cast<size_t>(c)]));
    }
    return q;
  }

  int64_t tiles() const { return tiles_; }

  // 64 rows from `row` on, of the columns of a tile.
  void load(Piece& p, int64_t tile, int64_t row) const {
    const int64_t first = tile * kColumns, width = std::min(kColumns, n_ - first);
    p.rows = std::min(kRows, k_ - row);
    if (width < kColumns) p.values.fill(0);
    const auto get = [&]<class T>(const T*) {
      const std::byte* data = w_.bytes().data();
      const auto at = [&](int64_t i) {
        T v;
        std::memcpy(&v, data + i * static_cast<int64_t>(sizeof(T)), sizeof(T));
        return static_cast<float>(v);
      };
      if (transposed_) {
        for (int64_t c = 0; c < width; ++c)
          for (int64_t r = 0; r < p.rows; ++r)
            p.values[static_cast<size_t>(r * kColumns + c)] = at((first + c) * k_ + row + r);
      } else {
        for (int64_t r = 0; r < p.rows; ++r)
          for (int64_t c = 0; c < width; ++c)
            p.values[static_cast<size_t>(r * kColumns + c)] = at((row + r) * n_ + first + c);
      }
    };
    if (w_.dtype == DType::F32) return get(static_cast<const float*>(nullptr));
    if (w_.dtype == DType::F16) return get(static_cast<const Half*>(nullptr));
    get(static_cast<const BFloat16*>(nullptr));
  }

 private:
  void find_ranges() {
    const auto padded = static_cast<size_t>(tiles_ * kColumns);
    low_.assign(padded, 0);  // zero is a value of every range
    high_.assign(padded, 0);
    std::vector<float> bad(static_cast<size_t>(tiles_));
    parallel_for(tiles_, 1, [&](int64_t begin, int64_t end) {
      Piece p;
      for (int64_t t = begin; t < end; ++t)
        for (int64_t row = 0; row < k_; row += kRows) {
          load(p, t, row);
          extremes(p.values.data(), p.rows, &low_[static_cast<size_t>(t * kColumns)],
                   &high_[static_cast<size_t>(t * kColumns)]);
          bad[static_cast<size_t>(t)] += poison(p.values.data(), p.rows);
        }
    });
    for (const float b : bad)
      if (b != 0 || std::isnan(b)) fail("the weight has a NaN or an infinity and cannot be quantized");
    if (f_.per_channel) return;
    std::fill(low_.begin(), low_.end(), *std::min_element(low_.begin(), low_.end()));
    std::fill(high_.begin(), high_.end(), *std::max_element(high_.begin(), high_.end()));
  }

  void set_scale(size_t c) {
    double low = low_[c], high = high_[c];
    if (f_.is_signed) {
      high = std::max(high, -low);
      low = -high;
    }
    auto scale = static_cast<float>((high - low) / (static_cast<double>(highest_) - lowest_));
    if (high <= low) scale = 1;
    scale = std::max(scale, FLT_MIN);  // a subnormal scale is as good as none
    scale_[c] = scale;
    if (!f_.is_signed)
      zero_[c] = std::clamp(std::nearbyint(lowest_ - static_cast<float>(low / scale)), lowest_, highest_);
  }

  void write_tile(int64_t t, std::byte* out, double& squares, double& norm) const {
    const int64_t first = t * kColumns, width = std::min(kColumns, n_ - first);
    const auto at = static_cast<size_t>(first);
    Piece p;
    std::array<int8_t, kRows * kColumns> codes;
    std::array<float, kColumns> error, sum;
    for (int64_t row = 0; row < k_; row += kRows) {
      load(p, t, row);
      encode(p.values.data(), p.rows, &scale_[at], &zero_[at], lowest_, highest_, codes.data(), error.data(),
             sum.data());
      for (int64_t r = 0; r < p.rows; ++r)
        std::memcpy(out + (row + r) * n_ + first, codes.data() + r * kColumns, static_cast<size_t>(width));
      for (size_t c = 0; c < error.size(); ++c) {
        squares += error[c];
        norm += sum[c];
      }
    }
  }

  const Tensor& w_;
  bool transposed_;
  ByteFormat f_;
  int64_t k_ = 0, n_ = 0, tiles_ = 0;
  float lowest_ = 0, highest_ = 0;
  std::vector<float> low_, high_, scale_, zero_;
};

}  // namespace

ByteWeight quantize_bytes(const Tensor& w, bool transposed, const ByteFormat& format) {
  return ByteQuantizer(w, transposed, format).run();
}

Tensor dequantize_bytes(const ByteWeight& q) {
  Tensor out = Tensor::uninitialized(DType::F32, q.codes.dims);
  const int64_t n = q.codes.dims[1];
  const Columns columns(q, n);
  float* to = out.mutable_data<float>().data();
  parallel_for(q.codes.dims[0], std::max<int64_t>(1, kPart / n), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) columns.row(q.codes, r, 0, n, to + r * n);
  });
  return out;
}

ByteFormat byte_format(const PassOptions& o) {
  return {.is_signed = o.choice("weights", {"int8", "uint8"}) == "int8",
          .per_channel = o.flag("per-channel"),
          .reduce_range = o.flag("reduce-range")};
}

std::vector<double> lost_in_columns(const Tensor& w, bool transposed, const ByteWeight& q,
                                    const std::vector<double>& mean, const std::vector<double>& rounded) {
  const int64_t k = q.codes.dims[0], n = q.codes.dims[1];
  const Columns columns(q, n);
  std::vector<double> sum(static_cast<size_t>(n));
  const ByteQuantizer reader(w, transposed, {});
  parallel_for(reader.tiles(), 1, [&](int64_t begin, int64_t end) {
    Piece p;
    std::array<float, kColumns> back;
    for (int64_t t = begin; t < end; ++t) {
      const int64_t first = t * kColumns, width = std::min(kColumns, n - first);
      for (int64_t row = 0; row < k; row += kRows) {
        reader.load(p, t, row);
        for (int64_t r = 0; r < p.rows; ++r) {
          columns.row(q.codes, row + r, first, width, back.data());
          const double was = mean[static_cast<size_t>(row + r)], is = rounded[static_cast<size_t>(row + r)];
          const float* v = p.values.data() + r * kColumns;
          double* to = sum.data() + first;
          for (int64_t c = 0; c < width; ++c) to[c] += was * v[c] - is * back[static_cast<size_t>(c)];
        }
      }
    }
  });
  return sum;
}

}  // namespace lathe
