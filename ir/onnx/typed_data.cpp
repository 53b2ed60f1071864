#include "ir/onnx/typed_data.h"

#include <algorithm>
#include <cstring>

#include "ir/base/error.h"
#include "ir/core/packed.h"
#include "ir/onnx/fields.h"

namespace lathe {
namespace {

using wire::Bytes;
using wire::Field;
using wire::Reader;
using wire::WireType;
using wire::Writer;

// Bytes of one entry in the raw layout: packed types put several elements into an int32_data entry of one
// byte.
int64_t unit_of(DType dtype, uint32_t number) {
  if (number == field::tensor::float_data) return 4;
  if (number == field::tensor::double_data) return 8;
  return std::max(bit_width(dtype), 8) / 8;
}

template <class F>
void for_each_record(Bytes message, uint32_t number, F&& body) {
  Reader reader(message);
  for (Field f; reader.next(f);)
    if (f.number == number) body(f);
}

int64_t count_entries(Bytes message, uint32_t number) {
  const bool fixed = number == field::tensor::float_data || number == field::tensor::double_data;
  const size_t width = number == field::tensor::float_data ? 4 : 8;
  const WireType single = !fixed ? WireType::varint : width == 4 ? WireType::fixed32 : WireType::fixed64;
  int64_t n = 0;
  for_each_record(message, number, [&](const Field& f) {
    if (f.type == single) {
      ++n;
    } else if (fixed) {
      if (f.message().size() % width != 0)
        fail("field {}: {} bytes are not whole numbers", number, f.payload.size());
      n += static_cast<int64_t>(f.payload.size() / width);
    } else {  // one terminator byte a number
      n += std::count_if(f.message().begin(), f.payload.end(),
                         [](std::byte b) { return (b & std::byte{0x80}) == std::byte{0}; });
    }
  });
  return n;
}

void store_varint(DType dtype, std::byte* out, int64_t unit, uint64_t value) {
  const auto v = static_cast<int64_t>(value);
  if (unit < 4) {  // int32_data: sign- or zero-extended
    const int64_t lo = -(int64_t{1} << (8 * unit - 1)), hi = (int64_t{1} << (8 * unit)) - 1;
    if (v < lo || v > hi) fail("int32_data holds {}, which is no {}", v, onnx_name(dtype));
  } else if (unit == 4 && dtype == DType::I32 && v != static_cast<int32_t>(v)) {
    // Writers that encode negative int32 as 5 bytes instead of 10 lose nothing.
    if (v < 0 || v > 0xffffffffll) fail("int32_data holds {}, which is no int32", v);
  } else if (unit == 4 && dtype == DType::U32 && value > 0xffffffffull) {
    fail("uint64_data holds {}, which is no uint32", value);
  }
  std::memcpy(out, &v, static_cast<size_t>(unit));
}

Tensor decode_strings(Bytes message, std::vector<int64_t> dims) {
  int64_t n = 0;
  for_each_record(message, field::tensor::string_data, [&](const Field&) { ++n; });
  if (n != element_count(dims)) fail("string_data has {} values, dims need {}", n, element_count(dims));
  std::vector<std::string> values;
  values.reserve(static_cast<size_t>(n));
  for_each_record(message, field::tensor::string_data,
                  [&](const Field& f) { values.emplace_back(f.text()); });
  return Tensor::of_strings(std::move(dims), std::move(values));
}

Tensor decode_six_bits(Bytes message, DType dtype, std::vector<int64_t> dims) {
  Tensor t = Tensor::make(dtype, std::move(dims));
  int64_t i = 0;
  const auto put = [&](uint64_t code) {
    if (code > 63) fail("int32_data holds {}, which is no {}", static_cast<int64_t>(code), onnx_name(dtype));
    store_packed(t.mutable_bytes().data(), i++, 6, static_cast<int>(code));
  };
  for_each_record(message, field::tensor::int32_data, [&](const Field& f) {
    if (f.type != WireType::bytes) return put(f.scalar);
    for (Reader r(f.payload); !r.at_end();) put(r.varint());
  });
  return t;
}

int64_t read_element(DType dtype, const std::byte* p, int64_t unit) {
  uint64_t bits = 0;
  std::memcpy(&bits, p, static_cast<size_t>(unit));
  const bool extend = is_signed_integer(dtype) && bit_width(dtype) >= 8 && unit < 8;
  const int shift = static_cast<int>(64 - 8 * unit);
  return extend ? static_cast<int64_t>(bits << shift) >> shift : static_cast<int64_t>(bits);
}

}  // namespace

uint32_t typed_field(DType dtype) {
  switch (dtype) {
    case DType::F32:
    case DType::C64:
      return field::tensor::float_data;
    case DType::F64:
    case DType::C128:
      return field::tensor::double_data;
    case DType::I64:
      return field::tensor::int64_data;
    case DType::U32:
    case DType::U64:
      return field::tensor::uint64_data;
    case DType::String:
      return field::tensor::string_data;
    default:
      return field::tensor::int32_data;
  }
}

Tensor decode_typed(Bytes message, uint32_t number, DType dtype, std::vector<int64_t> dims,
                    const std::shared_ptr<const void>& keep) {
  if (typed_field(dtype) != number)
    fail("a {} tensor cannot be stored in field {} of TensorProto", onnx_name(dtype), number);
  if (dtype == DType::String) return decode_strings(message, std::move(dims));
  const int64_t unit = unit_of(dtype, number), bytes = byte_count(dtype, element_count(dims));
  // A 6-bit element has an entry of its own (onnx.proto, int32_data).
  const bool six_bits = bit_width(dtype) == 6;
  const int64_t found = count_entries(message, number),
                wanted = six_bits ? element_count(dims) : bytes / unit;
  if (found != wanted)
    fail("tensor has {} values, type {} and dims need {}", found, onnx_name(dtype), wanted);

  if (six_bits) return decode_six_bits(message, dtype, std::move(dims));

  const bool fixed = number == field::tensor::float_data || number == field::tensor::double_data;
  Tensor t;
  std::byte* out = nullptr;
  for_each_record(message, number, [&](const Field& f) {
    if (fixed && out == nullptr && static_cast<int64_t>(f.payload.size()) == bytes) {
      t = Tensor::view(dtype, dims, f.payload, keep);
      return;
    }
    if (out == nullptr) {
      t = Tensor::uninitialized(dtype, dims);
      out = t.mutable_bytes().data();
    }
    if (f.type != WireType::bytes) {
      if (fixed) {
        std::memcpy(out, &f.scalar, static_cast<size_t>(unit));
      } else {
        store_varint(dtype, out, unit, f.scalar);
      }
      out += unit;
    } else if (fixed) {
      if (!f.payload.empty()) std::memcpy(out, f.payload.data(), f.payload.size());
      out += f.payload.size();
    } else {
      for (Reader r(f.payload); !r.at_end(); out += unit) store_varint(dtype, out, unit, r.varint());
    }
  });
  return t;
}

void encode_typed(Writer& out, const Tensor& t) {
  const uint32_t number = typed_field(t.dtype);
  if (t.dtype == DType::String) {
    for (const std::string& s : t.strings()) out.text(number, s);
    return;
  }
  if (t.byte_size() == 0) return;
  if (number == field::tensor::float_data || number == field::tensor::double_data)
    return out.bytes_by_reference(number, t.bytes());
  const int64_t unit = unit_of(t.dtype, number);
  out.message(number, [&] {
    if (bit_width(t.dtype) == 6) {
      for (int64_t i = 0; i < t.count(); ++i)
        out.packed_varint(static_cast<uint64_t>(packed_code(t.bytes().data(), i, 6)));
      return;
    }
    for (size_t at = 0; at < t.byte_size(); at += static_cast<size_t>(unit))
      out.packed_varint(static_cast<uint64_t>(read_element(t.dtype, t.bytes().data() + at, unit)));
  });
}

}  // namespace lathe
