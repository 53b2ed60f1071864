// A dense tensor: element type, dims, and a view of bytes that someone keeps alive (a mapped file or an owned
// buffer). Tensors are immutable once shared; copying one shares its bytes.
//
// Layout of the bytes is that of TensorProto.raw_data: little-endian, row-major; 4- and 2-bit elements are
// packed from the low bits of each byte on; bool is one byte. Bytes inside a mapped file may be misaligned:
// data<T>() requires alignment, aligned() copies if it must.
#pragma once
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ir/base/checked.h"
#include "ir/core/dtype.h"

namespace lathe {

class MappedFile;

// How a tensor was spelled in its file, so that an untouched one is written back the same way.
struct TensorSpelling {
  // raw_data; float_data, int32_data, ...; external_data; no payload at all (LoadOptions::external_data =
  // false)
  enum class Form : uint8_t { raw, typed, external, missing };
  Form form = Form::raw;
  // external_data entries as they stood, in order (location, offset, length, checksum, ...).
  std::vector<std::pair<std::string, std::string>> external;
  std::shared_ptr<const MappedFile> file;  // of the external data, and the place of the tensor's bytes in it
  const std::byte* mapped = nullptr;
  std::string doc;
  std::string
      carried;  // unparsed protobuf fields (segment, metadata_props, fields newer than known), verbatim
  bool explicit_location = false;  // data_location was written out
};

class Tensor {
 public:
  DType dtype = DType::Undefined;
  std::vector<int64_t> dims;
  std::string name;  // TensorProto.name where the value does not give it (attribute tensors)
  std::shared_ptr<const TensorSpelling> spelling;

  Tensor() = default;
  // Fresh zeroed memory (64-byte aligned). Strings are empty.
  static Tensor make(DType dtype, std::vector<int64_t> dims);
  // As make() without the zeroing.
  static Tensor uninitialized(DType dtype, std::vector<int64_t> dims);
  // A view; the byte count must be that of the type and dims.
  static Tensor view(DType dtype, std::vector<int64_t> dims, std::span<const std::byte> bytes,
                     std::shared_ptr<const void> keep);
  static Tensor of_strings(std::vector<int64_t> dims, std::vector<std::string> values);
  template <class T>
  static Tensor of(DType dtype, std::vector<int64_t> dims, std::span<const T> values) {
    Tensor t = uninitialized(dtype, std::move(dims));
    if (values.size_bytes() != t.byte_size())
      fail("tensor of {} values does not fit its shape", values.size());
    if (!values.empty()) std::memcpy(t.mutable_bytes().data(), values.data(), values.size_bytes());
    return t;
  }
  static Tensor of_i64(std::vector<int64_t> values);  // 1-D
  static Tensor scalar_i64(int64_t value);
  // A scalar (rank 0) or filled tensor of any numeric type, converted from double.
  static Tensor full(DType dtype, std::vector<int64_t> dims, double value);

  bool defined() const { return dtype != DType::Undefined; }
  int rank() const { return static_cast<int>(dims.size()); }
  int64_t count() const { return element_count(dims); }
  size_t byte_size() const { return bytes_.size(); }
  std::span<const std::byte> bytes() const { return bytes_; }
  const std::vector<std::string>& strings() const;  // only for DType::String
  std::vector<std::string>& mutable_strings();
  const std::shared_ptr<const void>& keep() const { return keep_; }

  template <class T>
  std::span<const T> data() const {
    return {reinterpret_cast<const T*>(bytes_.data()), bytes_.size() / sizeof(T)};
  }
  // Only for tensors that this code just made (make, uninitialized) and has not shared.
  template <class T>
  std::span<T> mutable_data() {
    return {reinterpret_cast<T*>(mutable_), bytes_.size() / sizeof(T)};
  }
  std::span<std::byte> mutable_bytes() { return {mutable_, bytes_.size()}; }

  bool is_aligned() const;
  Tensor aligned() const;
  // The same bytes under other dims (count must agree).
  Tensor reshaped(std::vector<int64_t> new_dims) const;

  // Element i as double / int64 for any numeric type (packed ones too). Slow: for scalars and small tensors.
  double as_double(int64_t i) const;
  int64_t as_i64(int64_t i) const;
  std::vector<int64_t> to_i64() const;  // all elements of an integer or bool tensor
  std::vector<double> to_doubles() const;
  // The single value of a one-element numeric tensor.
  std::optional<double> scalar_value() const;

 private:
  std::span<const std::byte> bytes_;
  std::byte* mutable_ = nullptr;
  std::shared_ptr<const void> keep_;
  std::shared_ptr<std::vector<std::string>> strings_;
};

// Bytes that `count` elements of a type take, packed types rounded up to whole bytes.
int64_t byte_count(DType dtype, int64_t count);
// Same type, dims and bits.
bool same_content(const Tensor& a, const Tensor& b);
uint64_t content_hash(const Tensor& t);

// Stores a double into a buffer at element i with the type's own rounding and wrap (packed types too).
void store_double(DType dtype, std::byte* data, int64_t i, double value);
void store_i64(DType dtype, std::byte* data, int64_t i, int64_t value);

struct SparseTensor {
  Tensor values, indices;  // names and spellings inside
  std::vector<int64_t> dims;
  std::string carried;
};

}  // namespace lathe
