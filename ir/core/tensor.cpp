#include "ir/core/tensor.h"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <new>

#include "ir/base/buffer_pool.h"
#include "ir/base/hash.h"
#include "ir/core/mini_float.h"
#include "ir/core/packed.h"

namespace lathe {
namespace {

template <class T>
T load(const std::byte* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

int sign_extend(int code, int bits) { return code >= (1 << (bits - 1)) ? code - (1 << bits) : code; }

}  // namespace

int64_t byte_count(DType dtype, int64_t count) {
  const int64_t bits = bit_width(dtype);
  if (bits >= 8) return checked_mul(count, bits / 8);
  return count / 8 * bits + (count % 8 * bits + 7) / 8;
}

Tensor Tensor::uninitialized(DType dtype, std::vector<int64_t> dims) {
  Tensor t;
  t.dtype = dtype;
  const int64_t n = element_count(dims), bytes = byte_count(dtype, n);
  t.dims = std::move(dims);
  if (dtype == DType::String) {
    t.strings_ = std::make_shared<std::vector<std::string>>(static_cast<size_t>(n));
    return t;
  }
  if (bytes == 0) return t;
  if (bytes > std::numeric_limits<int64_t>::max() - 64) fail("tensor of {} bytes", bytes);
  const uint64_t mark = BufferLimit::taken(bytes);
  void* p = acquire_buffer(static_cast<size_t>(bytes));
  if (p == nullptr) fail("out of memory for a tensor of {} bytes", bytes);
  t.keep_ = std::shared_ptr<void>(p, [bytes, mark](void* q) {
    BufferLimit::returned(bytes, mark);
    release_buffer(q, static_cast<size_t>(bytes));
  });
  t.mutable_ = static_cast<std::byte*>(p);
  t.bytes_ = {t.mutable_, static_cast<size_t>(bytes)};
  return t;
}

Tensor Tensor::make(DType dtype, std::vector<int64_t> dims) {
  Tensor t = uninitialized(dtype, std::move(dims));
  if (t.mutable_ != nullptr) std::memset(t.mutable_, 0, t.bytes_.size());
  return t;
}

Tensor Tensor::view(DType dtype, std::vector<int64_t> dims, std::span<const std::byte> bytes,
                    std::shared_ptr<const void> keep) {
  Tensor t;
  t.dtype = dtype;
  const int64_t want = byte_count(dtype, element_count(dims));
  if (static_cast<uint64_t>(want) != bytes.size())
    fail("tensor has {} bytes, its type {} and shape need {}", bytes.size(), onnx_name(dtype), want);
  t.dims = std::move(dims);
  t.bytes_ = bytes;
  t.keep_ = std::move(keep);
  return t;
}

Tensor Tensor::of_strings(std::vector<int64_t> dims, std::vector<std::string> values) {
  if (element_count(dims) != static_cast<int64_t>(values.size()))
    fail("string tensor has {} values, its shape needs {}", values.size(), element_count(dims));
  Tensor t;
  t.dtype = DType::String;
  t.dims = std::move(dims);
  t.strings_ = std::make_shared<std::vector<std::string>>(std::move(values));
  return t;
}

Tensor Tensor::of_i64(std::vector<int64_t> values) {
  const auto n = static_cast<int64_t>(values.size());
  return of<int64_t>(DType::I64, {n}, values);
}

Tensor Tensor::scalar_i64(int64_t value) { return of<int64_t>(DType::I64, {}, std::span(&value, 1)); }

Tensor Tensor::full(DType dtype, std::vector<int64_t> dims, double value) {
  Tensor t = make(dtype, std::move(dims));
  const int64_t n = t.count();
  for (int64_t i = 0; i < n; ++i) store_double(dtype, t.mutable_, i, value);
  return t;
}

const std::vector<std::string>& Tensor::strings() const {
  static const std::vector<std::string> none;
  return strings_ ? *strings_ : none;
}
std::vector<std::string>& Tensor::mutable_strings() { return *strings_; }

bool Tensor::is_aligned() const {
  const int bits = bit_width(dtype);
  const size_t unit = bits == 128 ? 8 : bits < 8 ? 1 : static_cast<size_t>(bits) / 8;
  return bytes_.empty() || reinterpret_cast<uintptr_t>(bytes_.data()) % unit == 0;
}

Tensor Tensor::aligned() const {
  if (is_aligned()) return *this;
  Tensor t = uninitialized(dtype, dims);
  std::memcpy(t.mutable_, bytes_.data(), bytes_.size());
  t.name = name;
  t.spelling = spelling;
  return t;
}

Tensor Tensor::reshaped(std::vector<int64_t> new_dims) const {
  if (element_count(new_dims) != count())
    fail("reshape of {} elements to {}", count(), element_count(new_dims));
  Tensor t = *this;
  t.dims = std::move(new_dims);
  return t;
}

double Tensor::as_double(int64_t i) const {
  const std::byte* p = bytes_.data();
  const auto at = [&]<class T>(T) {
    return static_cast<double>(load<T>(p + i * static_cast<int64_t>(sizeof(T))));
  };
  switch (dtype) {
    case DType::F32:
      return at(float{});
    case DType::F64:
      return at(double{});
    case DType::F16:
      return static_cast<double>(
          static_cast<float>(Eigen::numext::bit_cast<Half>(load<uint16_t>(p + 2 * i))));
    case DType::BF16:
      return static_cast<double>(
          static_cast<float>(Eigen::numext::bit_cast<BFloat16>(load<uint16_t>(p + 2 * i))));
    case DType::U64:
      return at(uint64_t{});
    case DType::F8E8M0:
      return decode_e8m0(load<uint8_t>(p + i));
    default:
      break;
  }
  if (const MiniFloat* f = mini_float(dtype))
    return decode_mini(*f, static_cast<uint8_t>(packed_code(p, i, bit_width(dtype))));
  return static_cast<double>(as_i64(i));
}

int64_t Tensor::as_i64(int64_t i) const {
  const std::byte* p = bytes_.data();
  const auto at = [&]<class T>(T) {
    return static_cast<int64_t>(load<T>(p + i * static_cast<int64_t>(sizeof(T))));
  };
  switch (dtype) {
    case DType::I64:
      return at(int64_t{});
    case DType::U64:
      return at(uint64_t{});
    case DType::I32:
      return at(int32_t{});
    case DType::U32:
      return at(uint32_t{});
    case DType::I16:
      return at(int16_t{});
    case DType::U16:
      return at(uint16_t{});
    case DType::I8:
      return at(int8_t{});
    case DType::Bool:
    case DType::U8:
      return at(uint8_t{});
    case DType::U4:
      return packed_code(p, i, 4);
    case DType::I4:
      return sign_extend(packed_code(p, i, 4), 4);
    case DType::U2:
      return packed_code(p, i, 2);
    case DType::I2:
      return sign_extend(packed_code(p, i, 2), 2);
    default:
      break;
  }
  if (is_floating(dtype)) {
    const double v = as_double(i);
    // The conversion is defined only inside int64's range.
    if (std::isnan(v)) return 0;
    if (v >= 0x1p63) return std::numeric_limits<int64_t>::max();
    if (v < -0x1p63) return std::numeric_limits<int64_t>::min();
    return static_cast<int64_t>(v);
  }
  fail("a {} tensor has no integer value", onnx_name(dtype));
}

std::vector<int64_t> Tensor::to_i64() const {
  std::vector<int64_t> out(static_cast<size_t>(count()));
  for (size_t i = 0; i < out.size(); ++i) out[i] = as_i64(static_cast<int64_t>(i));
  return out;
}

std::vector<double> Tensor::to_doubles() const {
  std::vector<double> out(static_cast<size_t>(count()));
  for (size_t i = 0; i < out.size(); ++i) out[i] = as_double(static_cast<int64_t>(i));
  return out;
}

std::optional<double> Tensor::scalar_value() const {
  if (count() != 1 || dtype == DType::String || dtype == DType::C64 || dtype == DType::C128)
    return std::nullopt;
  return as_double(0);
}

void store_i64(DType dtype, std::byte* data, int64_t i, int64_t value) {
  const auto put = [&](auto v) { std::memcpy(data + i * static_cast<int64_t>(sizeof v), &v, sizeof v); };
  switch (dtype) {
    case DType::I64:
    case DType::U64:
      put(value);
      return;
    case DType::I32:
    case DType::U32:
      put(static_cast<uint32_t>(value));
      return;
    case DType::I16:
    case DType::U16:
      put(static_cast<uint16_t>(value));
      return;
    case DType::I8:
    case DType::U8:
      put(static_cast<uint8_t>(value));
      return;
    case DType::Bool:
      put(static_cast<uint8_t>(value != 0));
      return;
    case DType::U4:
    case DType::I4:
      store_packed(data, i, 4, static_cast<int>(value & 15));
      return;
    case DType::U2:
    case DType::I2:
      store_packed(data, i, 2, static_cast<int>(value & 3));
      return;
    default:
      store_double(dtype, data, i, static_cast<double>(value));
  }
}

void store_double(DType dtype, std::byte* data, int64_t i, double value) {
  const auto put = [&](auto v) { std::memcpy(data + i * static_cast<int64_t>(sizeof v), &v, sizeof v); };
  switch (dtype) {
    case DType::F32:
      put(static_cast<float>(value));
      return;
    case DType::F64:
      put(value);
      return;
    case DType::F16:
      put(Eigen::numext::bit_cast<uint16_t>(Half(static_cast<float>(value))));
      return;
    case DType::BF16:
      put(Eigen::numext::bit_cast<uint16_t>(BFloat16(static_cast<float>(value))));
      return;
    case DType::F8E8M0:
      put(encode_e8m0(static_cast<float>(value)));
      return;
    case DType::C64: {
      const float c[2] = {static_cast<float>(value), 0};
      std::memcpy(data + 8 * i, c, sizeof c);
      return;
    }
    case DType::C128: {
      const double c[2] = {value, 0};
      std::memcpy(data + 16 * i, c, sizeof c);
      return;
    }
    case DType::Bool:
      put(static_cast<uint8_t>(value != 0));
      return;
    case DType::U64:
      if (value >= 0x1p63 && value < 0x1p64) {
        put(static_cast<uint64_t>(value));
        return;
      }
      break;
    default:
      break;
  }
  if (const MiniFloat* f = mini_float(dtype)) {
    store_packed(data, i, bit_width(dtype), encode_mini(*f, static_cast<float>(value)));
    return;
  }
  const bool fits = value >= -0x1p63 && value < 0x1p63;
  store_i64(dtype, data, i, fits ? static_cast<int64_t>(value) : std::numeric_limits<int64_t>::min());
}

bool same_content(const Tensor& a, const Tensor& b) {
  if (a.dtype != b.dtype || a.dims != b.dims) return false;
  if (a.dtype == DType::String) return a.strings() == b.strings();
  if (a.bytes().size() != b.bytes().size()) return false;
  return a.bytes().data() == b.bytes().data() || a.bytes().empty() ||
         std::memcmp(a.bytes().data(), b.bytes().data(), a.bytes().size()) == 0;
}

uint64_t content_hash(const Tensor& t) {
  uint64_t h = hash_combine(static_cast<uint64_t>(t.dtype), t.dims.size());
  for (const int64_t d : t.dims) h = hash_combine(h, static_cast<uint64_t>(d));
  if (t.dtype == DType::String)
    for (const auto& s : t.strings()) h = hash_string(s, h);
  return hash_bytes(t.bytes().data(), t.bytes().size(), h);
}

}  // namespace lathe
