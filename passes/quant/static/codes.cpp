#include "passes/quant/static/codes.h"

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "ir/ops/convert.h"
#include "ir/ops/quant/affine.h"

namespace lathe {
namespace {

constexpr double kLargestE4M3 = 448;

struct Limits {
  double low, high;
};

Limits limits(DType t) {
  if (t == DType::U8) return {0, 255};
  if (t == DType::I8) return {-128, 127};
  if (t == DType::U16) return {0, 65535};
  if (t == DType::I16) return {-32768, 32767};
  return {-kLargestE4M3, kLargestE4M3};
}

bool is_float8(DType t) { return t == DType::F8E4M3FN; }

// [outer, channels, inner] seen as [channels, outer * inner], and back.
Tensor by_channel(const Tensor& w, int64_t axis, bool back, const std::vector<int64_t>& dims) {
  int64_t outer = 1, inner = 1;
  for (int64_t i = 0; i < axis; ++i) outer *= dims[static_cast<size_t>(i)];
  const int64_t channels = dims[static_cast<size_t>(axis)];
  for (size_t i = static_cast<size_t>(axis) + 1; i < dims.size(); ++i) inner *= dims[i];
  Tensor out = Tensor::uninitialized(w.dtype, back ? dims : std::vector{channels, outer * inner});
  const auto unit = static_cast<int64_t>(bit_width(w.dtype) / 8);
  const std::byte* from = w.bytes().data();
  std::byte* to = out.mutable_bytes().data();
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t whole = (o * channels + c) * inner * unit, rows = (c * outer + o) * inner * unit;
      std::memcpy(to + (back ? whole : rows), from + (back ? rows : whole),
                  static_cast<size_t>(inner * unit));
    }
  return out;
}

CodedWeight float8_weight(const Tensor& w, int64_t axis, bool per_channel) {
  const Tensor x = convert(w.aligned(), DType::F32);
  const Tensor rows = by_channel(x, axis, false, x.dims);
  const int64_t channels = rows.dims[0], each = channels == 0 ? 0 : rows.count() / channels;
  std::vector<float> largest(static_cast<size_t>(channels));
  for (int64_t i = 0; i < rows.count(); ++i) {
    const float v = std::fabs(rows.data<float>()[static_cast<size_t>(i)]);
    if (!std::isfinite(v)) fail("the weight has a NaN or an infinity and cannot be quantized");
    float& m = largest[static_cast<size_t>(i / each)];
    m = std::max(m, v);
  }
  if (!per_channel) largest.assign(1, *std::max_element(largest.begin(), largest.end()));
  CodedWeight out;
  out.scales =
      Tensor::uninitialized(DType::F32, per_channel ? std::vector{channels} : std::vector<int64_t>());
  for (size_t c = 0; c < largest.size(); ++c)
    out.scales.mutable_data<float>()[c] =
        largest[c] > 0 ? std::max(largest[c] / static_cast<float>(kLargestE4M3), FLT_MIN) : 1.0f;
  const ScaleMap map = per_channel ? scale_map(x, out.scales, nullptr, axis, 0) : ScaleMap{};
  out.codes = quantize(x, out.scales, nullptr, DType::F8E4M3FN, map);
  return out;
}

}  // namespace

int code_count(DType t) { return is_float8(t) ? 256 : static_cast<int>(limits(t).high - limits(t).low) + 1; }

Codes codes_of(const CodeRange& r, DType type, bool symmetric) {
  const Limits l = limits(type);
  const double most = std::max(r.high, -r.low);
  double scale = 1, zero = 0;
  if (is_float8(type)) {
    scale = most / kLargestE4M3;
  } else if (symmetric) {
    zero = std::ceil((l.low + l.high) / 2);
    scale = most / (l.high - zero);
  } else {
    scale = (r.high - r.low) / (l.high - l.low);
  }
  auto step = static_cast<float>(scale);
  if (!(step >= FLT_MIN)) step = scale > 0 ? FLT_MIN : 1.0f;
  if (!is_float8(type) && !symmetric) zero = std::clamp(std::nearbyint(l.low - r.low / step), l.low, l.high);
  return {Tensor::full(DType::F32, {}, step), Tensor::full(type, {}, zero)};
}

CodedWeight code_weight(const Tensor& w, int64_t axis, const ByteFormat& format, DType activations) {
  if (is_float8(activations)) return float8_weight(w, axis, format.per_channel);
  const Tensor rows = by_channel(w.aligned(), axis, false, w.dims);
  ByteWeight q = quantize_bytes(rows, true, format);  // [K, N]
  const std::vector<int64_t> turned = {q.codes.dims[1], q.codes.dims[0]};
  Tensor codes = Tensor::uninitialized(q.codes.dtype, turned);
  const int64_t k = turned[1], n = turned[0];
  for (int64_t i = 0; i < k; ++i)
    for (int64_t j = 0; j < n; ++j)
      codes.mutable_bytes()[static_cast<size_t>(j * k + i)] = q.codes.bytes()[static_cast<size_t>(i * n + j)];
  CodedWeight out;
  out.codes = by_channel(codes, axis, true, w.dims);
  out.scales = q.scales;
  out.zero_points = q.zero_points;
  out.rms_error = q.rms_error;
  return out;
}

Tensor decode_weight(const CodedWeight& w, int64_t axis) {
  const Tensor* zero = w.zero_points.defined() ? &w.zero_points : nullptr;
  const ScaleMap map = w.scales.rank() == 0 ? ScaleMap{} : scale_map(w.codes, w.scales, zero, axis, 0);
  return dequantize(w.codes, w.scales, zero, DType::F32, map);
}

CodedBias code_bias(const Tensor& bias, double x_scale, const Tensor& weight_scales) {
  CodedBias out;
  out.scales = Tensor::uninitialized(DType::F32, weight_scales.dims);
  Tensor codes = Tensor::uninitialized(DType::I32, bias.dims);
  for (int64_t i = 0; i < weight_scales.count(); ++i)
    out.scales.mutable_data<float>()[static_cast<size_t>(i)] =
        static_cast<float>(x_scale * weight_scales.as_double(i));
  for (int64_t i = 0; i < bias.count(); ++i) {
    const double step = out.scales.as_double(weight_scales.count() == 1 ? 0 : i);
    const double code = std::nearbyint(bias.as_double(i) / step);
    if (!(std::fabs(code) < 2147483648.0)) return {};
    codes.mutable_data<int32_t>()[static_cast<size_t>(i)] = static_cast<int32_t>(code);
  }
  out.codes = std::move(codes);
  return out;
}

}  // namespace lathe
