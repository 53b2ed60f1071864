#include "ir/ops/tensor/units.h"

namespace lathe {
namespace {

bool is_packed(DType t) { return bit_width(t) == 4 || bit_width(t) == 2; }

Tensor unpack(const Tensor& t) {
  Tensor out = Tensor::uninitialized(DType::U8, t.dims);
  auto to = out.mutable_data<uint8_t>();
  const auto from = t.data<uint8_t>();
  const unsigned bits = static_cast<unsigned>(bit_width(t.dtype)), per_byte = 8 / bits,
                 mask = (1u << bits) - 1;
  for (size_t i = 0; i < to.size(); ++i)
    to[i] = static_cast<uint8_t>((from[i / per_byte] >> (bits * (i % per_byte))) & mask);
  return out;
}

Tensor pack(const Tensor& t, DType dtype) {
  Tensor out = Tensor::make(dtype, t.dims);
  auto to = out.mutable_data<uint8_t>();
  const auto from = t.data<uint8_t>();
  const unsigned bits = static_cast<unsigned>(bit_width(dtype)), per_byte = 8 / bits;
  for (size_t i = 0; i < from.size(); ++i)
    to[i / per_byte] = static_cast<uint8_t>(to[i / per_byte] | (from[i] << (bits * (i % per_byte))));
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

Tensor Units::leave(Tensor t) const {
  if (is_packed(dtype_)) return pack(t, dtype_);
  if (dtype_ != DType::String) return t;
  std::vector<std::string> values;
  values.reserve(t.data<int64_t>().size());
  for (const int64_t i : t.data<int64_t>()) values.push_back(table_[static_cast<size_t>(i)]);
  return Tensor::of_strings(t.dims, std::move(values));
}

}  // namespace lathe
