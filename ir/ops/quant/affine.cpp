#include "ir/ops/quant/affine.h"

#include <algorithm>
#include <cmath>

#include "ir/base/parallel.h"
#include "ir/core/mini_float.h"
#include "ir/core/packed.h"
#include "ir/ops/convert.h"
#include "ir/ops/tensor/args.h"
#include "ir/ops/tensor/units.h"

namespace lathe {
namespace {

constexpr int64_t kGrainElements = 1 << 14;

struct Range {
  double lo, hi;
};
Range range_of(DType t) {
  const int bits = bit_width(t);
  if (is_signed_integer(t)) return {-std::ldexp(1, bits - 1), std::ldexp(1, bits - 1) - 1};
  return {0, std::ldexp(1, bits) - 1};
}

// Every code of an 8-bit or packed type as a number.
std::vector<double> decode_table(DType t) {
  const int bits = bit_width(t);
  Tensor codes = Tensor::make(t, {int64_t{1} << bits});
  for (int64_t i = 0; i < codes.dims[0]; ++i)
    store_packed(codes.mutable_bytes().data(), i, bits, static_cast<int>(i));
  return codes.to_doubles();
}

}  // namespace

ScaleMap scale_map(const Tensor& x, const Tensor& scale, const Tensor* zero, int64_t axis, int64_t block) {
  if (zero != nullptr && zero->count() != scale.count())
    fail("{} scales and {} zero points", scale.count(), zero->count());
  ScaleMap m;
  if (block == 0 && scale.count() == 1 && scale.rank() <= 1) return m;
  const auto a = static_cast<size_t>(normalize_axis(axis, x.rank()));
  m.axis = x.dims[a];
  m.inner = element_count(std::span<const int64_t>(x.dims).subspan(a + 1));
  if (block == 0) {
    if (scale.rank() != 1 || scale.dims[0] != m.axis)
      fail("{} scales for an axis of {}", scale.count(), m.axis);
    m.places = m.axis;
    if (m.places == 1) m.axis = m.inner = 1;
    return m;
  }
  if (block < 0) fail("block_size {}", block);
  m.block = block;
  m.places = (m.axis + block - 1) / block;
  std::vector<int64_t> want = x.dims;
  want[a] = m.places;
  if (scale.dims != want) fail("the scales do not fit blocks of {}", block);
  return m;
}

Tensor quantize(const Tensor& x, const Tensor& scale, const Tensor* zero, DType to, const ScaleMap& map,
                bool saturate) {
  const bool packed = bit_width(to) < 8;
  const auto scales = scale.to_doubles();
  const auto zeros = zero != nullptr ? zero->to_doubles() : std::vector<double>();
  const bool wide = x.dtype == DType::F64;
  const Tensor wx = convert(x, wide ? DType::F64 : DType::F32);
  Tensor y = Tensor::make(to, x.dims);
  std::byte* out = y.mutable_bytes().data();
  const MiniFloat* format = bit_width(to) == 8 ? mini_float(to) : nullptr;  // the others always saturate
  const Range range = is_integer(to) ? range_of(to) : Range{0, 0};
  // Packed elements share bytes: one thread writes them.
  parallel_for(x.count(), packed ? x.count() : kGrainElements, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto k = static_cast<size_t>(map.at(i)), at = static_cast<size_t>(i);
      // The quotient is that of the input's own precision.
      const double q = wide ? wx.data<double>()[at] / scales[k]
                            : static_cast<double>(wx.data<float>()[at] / static_cast<float>(scales[k]));
      if (is_integer(to)) {
        const double v = std::nearbyint(q) + (zeros.empty() ? 0 : zeros[k]);
        store_i64(to, out, i, std::isnan(v) ? 0 : static_cast<int64_t>(std::clamp(v, range.lo, range.hi)));
      } else if (format != nullptr) {
        out[i] = static_cast<std::byte>(encode_mini(*format, static_cast<float>(q), saturate));
      } else {
        store_double(to, out, i, q);
      }
    }
  });
  return y;
}

Tensor dequantize(const Tensor& x, const Tensor& scale, const Tensor* zero, DType to, const ScaleMap& map) {
  const auto scales = scale.to_doubles();
  const auto zeros = zero != nullptr ? zero->to_doubles() : std::vector<double>();
  const bool wide = to == DType::F64;
  Tensor y = Tensor::uninitialized(wide ? DType::F64 : DType::F32, x.dims);
  const std::vector<double> table = bit_width(x.dtype) <= 8 ? decode_table(x.dtype) : std::vector<double>();
  Units u(x.dtype);
  const Tensor codes = bit_width(x.dtype) < 8 ? u.enter(x) : x;
  parallel_for(x.count(), kGrainElements, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto k = static_cast<size_t>(map.at(i)), at = static_cast<size_t>(i);
      double v = table.empty() ? x.as_double(i) : table[codes.data<uint8_t>()[at]];
      if (!zeros.empty()) v -= zeros[k];
      if (wide)
        y.mutable_data<double>()[at] = v * scales[k];
      else
        y.mutable_data<float>()[at] = static_cast<float>(v) * static_cast<float>(scales[k]);
    }
  });
  return convert(y, to);
}

DynamicScale dynamic_scale(const Tensor& x) {
  float lo = 0, hi = 0;
  for (const float v : x.data<float>()) {
    lo = std::min(lo, v);
    hi = std::max(hi, v);
  }
  const float scale = hi == lo ? 1.0f : (hi - lo) / 255.0f;
  const auto zero = static_cast<uint8_t>(std::nearbyint(std::clamp(0.0f - lo / scale, 0.0f, 255.0f)));
  return {Tensor::of<float>(DType::F32, {}, std::span(&scale, 1)),
          Tensor::of<uint8_t>(DType::U8, {}, std::span(&zero, 1))};
}

Tensor centered(const Tensor& x, const Tensor* zero, int64_t axis) {
  const bool whole = is_integer(x.dtype);
  if (!whole && (bit_width(x.dtype) != 8 || mini_float(x.dtype) == nullptr))
    fail("integers or 8-bit floats are needed here, not {}", onnx_name(x.dtype));
  Tensor y = Tensor::uninitialized(DType::F64, x.dims);
  const auto out = y.mutable_data<double>();
  const int64_t n = x.count();
  if (x.dtype == DType::U8)
    std::copy_n(x.data<uint8_t>().data(), n, out.data());
  else if (x.dtype == DType::I8)
    std::copy_n(x.data<int8_t>().data(), n, out.data());
  else
    for (int64_t i = 0; i < n; ++i)
      out[static_cast<size_t>(i)] = whole ? static_cast<double>(x.as_i64(i)) : x.as_double(i);
  if (zero == nullptr) return y;
  const auto zeros = zero->to_doubles();
  if (zeros.size() == 1) {
    for (double& v : out) v -= zeros[0];
    return y;
  }
  const auto a = static_cast<size_t>(normalize_axis(axis, x.rank()));
  const int64_t size = x.dims[a], inner = element_count(std::span<const int64_t>(x.dims).subspan(a + 1));
  if (static_cast<int64_t>(zeros.size()) != size)
    fail("{} zero points for an axis of {}", zeros.size(), size);
  for (int64_t i = 0; i < n; ++i) out[static_cast<size_t>(i)] -= zeros[static_cast<size_t>(i / inner % size)];
  return y;
}

}  // namespace lathe
