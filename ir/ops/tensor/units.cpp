#include "ir/ops/tensor/units.h"

#include "ir/core/packed.h"

namespace lathe {
namespace {

bool is_packed(DType t) { return bit_width(t) != 0 && bit_width(t) < 8; }

Tensor unpack(const Tensor& t) {
  Tensor out = Tensor::uninitialized(DType::U8, t.dims);
  const auto to = out.mutable_data<uint8_t>();
  const int bits = bit_width(t.dtype);
  for (size_t i = 0; i < to.size(); ++i)
    to[i] = static_cast<uint8_t>(packed_code(t.bytes().data(), static_cast<int64_t>(i), bits));
  return out;
}

Tensor pack(const Tensor& t, DType dtype) {
  Tensor out = Tensor::make(dtype, t.dims);
  const auto from = t.data<uint8_t>();
  for (size_t i = 0; i < from.size(); ++i)
    store_packed(out.mutable_bytes().data(), static_cast<int64_t>(i), bit_width(dtype), from[i]);
  return out;
}

}  // namespace

DType Units::dtype() const {
  if (dtype_ == DType::String) return DType::I64;
  return is_packed(dtype_) ? DType::U8 : dtype_;
}

Tensor Units::enter(const Tensor& t) {
  if (t.dtype != dtype_) fail("tensors of type {} and {} meet", onnx_name(dtype_), onnx_name(t.dtype));
  if (is_packed(dtype_)) return unpack(t);
  if (dtype_ != DType::String) return t;
  const auto base = static_cast<int64_t>(table_.size());
  table_.insert(table_.end(), t.strings().begin(), t.strings().end());
  Tensor out = Tensor::uninitialized(DType::I64, t.dims);
  auto index = out.mutable_data<int64_t>();
  for (size_t i = 0; i < index.size(); ++i) index[i] = base + static_cast<int64_t>(i);
  return out;
}

Tensor Units::zeros(std::vector<int64_t> dims) {
  Tensor out = Tensor::make(dtype(), std::move(dims));
  if (dtype_ != DType::String) return out;
  const auto empty = static_cast<int64_t>(table_.size());
  table_.emplace_back();
  for (int64_t& i : out.mutable_data<int64_t>()) i = empty;
  return out;
}

Tensor Units::leave(Tensor t) const {
  if (is_packed(dtype_)) return pack(t, dtype_);
  if (dtype_ != DType::String) return t;
  std::vector<std::string> values;
  values.reserve(t.data<int64_t>().size());
  for (const int64_t i : t.data<int64_t>()) values.push_back(table_[static_cast<size_t>(i)]);
  return Tensor::of_strings(t.dims, std::move(values));
}

}  // namespace lathe
