#include "ir/onnx/wire.h"

#include <cstring>

#include "ir/base/error.h"

namespace lathe::wire {
namespace {

constexpr int kMaxGroupDepth = 100;
constexpr size_t kByReference = 4096;  // smaller payloads cost less copied than pointed to

template <class T>
T load(const std::byte* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

size_t put_varint_to(char* out, uint64_t value) {
  size_t n = 0;
  while (value >= 0x80) {
    out[n++] = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out[n++] = static_cast<char>(value);
  return n;
}

}  // namespace

static_assert(std::endian::native == std::endian::little, "raw_data is little-endian and used in place");

std::string_view as_text(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
Bytes as_bytes(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }

uint64_t Field::u64() const {
  if (type != WireType::varint)
    fail("field {} has wire type {}, not a number", number, static_cast<int>(type));
  return scalar;
}

float Field::f32() const {
  if (type != WireType::fixed32)
    fail("field {} has wire type {}, not a float", number, static_cast<int>(type));
  return std::bit_cast<float>(static_cast<uint32_t>(scalar));
}

Bytes Field::message() const {
  if (type != WireType::bytes)
    fail("field {} has wire type {}, not a length", number, static_cast<int>(type));
  return payload;
}

std::string_view Field::text() const { return as_text(message()); }

uint64_t Reader::varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    if (p_ == end_) fail("truncated number");
    const auto byte = std::to_integer<uint64_t>(*p_++);
    if (shift == 63 && byte > 1) break;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  fail("overlong number");
}

bool Reader::next(Field& field) {
  if (p_ == end_) return false;
  const std::byte* start = p_;
  const uint64_t tag = varint();
  if (tag >> 3 == 0 || tag >> 32 != 0) fail("invalid field tag {:#x}", tag);
  field.number = static_cast<uint32_t>(tag >> 3);
  field.type = static_cast<WireType>(tag & 7);
  field.payload = {};
  field.scalar = 0;
  if (field.type == WireType::group) {
    skip_group(field.number);
  } else {
    skip(field.number, field.type, field);
  }
  field.whole = {start, p_};
  return true;
}

void Reader::skip(uint32_t number, WireType type, Field& field) {
  const auto take = [&](uint64_t n) {
    if (n > left()) fail("field {} is truncated: {} bytes announced, {} left", number, n, left());
    const std::byte* at = p_;
    p_ += n;
    return at;
  };
  switch (type) {
    case WireType::varint:
      field.scalar = varint();
      return;
    case WireType::fixed64:
      field.scalar = load<uint64_t>(take(8));
      return;
    case WireType::fixed32:
      field.scalar = load<uint32_t>(take(4));
      return;
    case WireType::bytes: {
      const uint64_t n = varint();
      field.payload = {take(n), static_cast<size_t>(n)};
      return;
    }
    case WireType::group:
    case WireType::end_group:
      break;
  }
  fail("field {} has invalid wire type {}", number, static_cast<int>(type));
}

void Reader::skip_group(uint32_t number) {
  uint32_t open[kMaxGroupDepth] = {number};
  int depth = 1;
  while (depth > 0) {
    const uint64_t tag = varint();
    if (tag >> 3 == 0 || tag >> 32 != 0) fail("invalid field tag {:#x}", tag);
    const auto inner = static_cast<uint32_t>(tag >> 3);
    const auto type = static_cast<WireType>(tag & 7);
    if (type == WireType::group) {
      if (depth == kMaxGroupDepth) fail("groups nested deeper than {}", kMaxGroupDepth);
      open[depth++] = inner;
    } else if (type == WireType::end_group) {
      if (open[--depth] != inner) fail("group {} is closed as {}", open[depth], inner);
    } else {
      Field ignored;
      skip(inner, type, ignored);
    }
  }
}

void read_int64s(const Field& field, std::vector<int64_t>& out) {
  if (field.type != WireType::bytes) {
    out.push_back(field.i64());
    return;
  }
  for (Reader r(field.payload); !r.at_end();) out.push_back(static_cast<int64_t>(r.varint()));
}

void read_floats(const Field& field, std::vector<float>& out) {
  if (field.type != WireType::bytes) {
    out.push_back(field.f32());
    return;
  }
  if (field.payload.size() % 4 != 0)
    fail("field {}: {} bytes are not whole floats", field.number, field.payload.size());
  const size_t old = out.size();
  out.resize(old + field.payload.size() / 4);
  if (!field.payload.empty()) std::memcpy(out.data() + old, field.payload.data(), field.payload.size());
}

void Writer::put_varint(uint64_t value) {
  char buffer[10];
  text_.append(buffer, put_varint_to(buffer, value));
}

void Writer::varint(uint32_t number, uint64_t value) {
  put_tag(number, WireType::varint);
  put_varint(value);
}

void Writer::f32(uint32_t number, float value) {
  put_tag(number, WireType::fixed32);
  const auto bits = std::bit_cast<uint32_t>(value);
  text_.append(reinterpret_cast<const char*>(&bits), sizeof bits);
}

void Writer::bytes(uint32_t number, Bytes value) {
  put_tag(number, WireType::bytes);
  put_varint(value.size());
  raw(value);
}

void Writer::bytes_by_reference(uint32_t number, Bytes value) {
  if (value.size() < kByReference) return bytes(number, value);
  put_tag(number, WireType::bytes);
  put_varint(value.size());
  references_.push_back({text_.size(), value});
  referenced_ += value.size();
}

void Writer::raw(Bytes fields) { text_.append(as_text(fields)); }

void Writer::end(uint32_t number, const Mark& mark) {
  const uint64_t body = text_.size() - mark.text + (referenced_ - mark.referenced);
  char header[20];
  size_t n = put_varint_to(header, uint64_t{number} << 3 | static_cast<uint64_t>(WireType::bytes));
  n += put_varint_to(header + n, body);
  text_.insert(mark.text, header, n);
  for (size_t i = mark.references; i < references_.size(); ++i) references_[i].at += n;
}

std::string Writer::str() const {
  std::string out;
  out.reserve(size());
  pieces([&](Bytes piece) { out.append(as_text(piece)); });
  return out;
}

}  // namespace lathe::wire
