#include "ir/exec/npy.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "ir/base/mapped_file.h"
#include "ir/base/output_file.h"
#include "ir/base/parse.h"

namespace lathe {
namespace {

struct Kind {
  DType dtype;
  std::string_view descr;  // without byte order
};
constexpr Kind kKinds[] = {{DType::Bool, "b1"}, {DType::I8, "i1"},   {DType::U8, "u1"},  {DType::I16, "i2"},
                           {DType::U16, "u2"},  {DType::I32, "i4"},  {DType::U32, "u4"}, {DType::I64, "i8"},
                           {DType::U64, "u8"},  {DType::F16, "f2"},  {DType::F32, "f4"}, {DType::F64, "f8"},
                           {DType::C64, "c8"},  {DType::C128, "c16"}};

int64_t number(std::string_view text, const std::string& label) {
  const auto n = parse_number<int64_t>(text);
  if (!n || *n < 0) fail("{}: '{}' is no array size", label, text);
  return *n;
}

// The text after 'key': in a header dictionary.
std::string_view after_key(std::string_view header, std::string_view key, const std::string& label) {
  size_t at = header.find(fmt::format("'{}'", key));
  if (at != std::string_view::npos) at = header.find(':', at);
  if (at == std::string_view::npos) fail("{}: the array header has no '{}'", label, key);
  const std::string_view rest = header.substr(at + 1);
  const size_t start = rest.find_first_not_of(' ');
  return start == std::string_view::npos ? std::string_view() : rest.substr(start);
}

std::vector<int64_t> shape_of(std::string_view header, const std::string& label) {
  std::string_view text = after_key(header, "shape", label);
  const size_t end = text.find(')');
  if (text.empty() || text.front() != '(' || end == std::string_view::npos)
    fail("{}: the array shape is malformed", label);
  text = text.substr(1, end - 1);
  std::vector<int64_t> dims;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    std::string_view item = text.substr(0, comma);
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    while (!item.empty() && (item.back() == ' ' || item.back() == 'L')) item.remove_suffix(1);
    if (!item.empty()) dims.push_back(number(item, label));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return dims;
}

void append_utf8(std::string& s, uint32_t c) {
  if (c < 0x80) {
    s += static_cast<char>(c);
  } else if (c < 0x800) {
    s += static_cast<char>(0xc0 | c >> 6);
    s += static_cast<char>(0x80 | (c & 63));
  } else if (c < 0x10000) {
    s += static_cast<char>(0xe0 | c >> 12);
    s += static_cast<char>(0x80 | (c >> 6 & 63));
    s += static_cast<char>(0x80 | (c & 63));
  } else {
    s += static_cast<char>(0xf0 | (c >> 18 & 7));
    s += static_cast<char>(0x80 | (c >> 12 & 63));
    s += static_cast<char>(0x80 | (c >> 6 & 63));
    s += static_cast<char>(0x80 | (c & 63));
  }
}

// Fixed-width UTF-32, padded with zeros.
Tensor decode_strings(std::span<const std::byte> data, std::vector<int64_t> dims, int64_t width,
                      const std::string& label) {
  const int64_t count = element_count(dims);
  if (static_cast<uint64_t>(checked_mul(checked_mul(count, width), 4)) != data.size())
    fail("{}: {} bytes of strings do not fit the shape", label, data.size());
  std::vector<std::string> out(static_cast<size_t>(count));
  for (size_t i = 0; i < out.size(); ++i) {
    for (int64_t k = 0; k < width; ++k) {
      uint32_t c;
      std::memcpy(&c, data.data() + 4 * (i * static_cast<size_t>(width) + static_cast<size_t>(k)), 4);
      if (c == 0) break;
      append_utf8(out[i], c);
    }
  }
  return Tensor::of_strings(std::move(dims), std::move(out));
}

std::u32string from_utf8(const std::string& s) {
  std::u32string out;
  for (size_t i = 0; i < s.size();) {
    const auto lead = static_cast<unsigned char>(s[i]);
    const size_t n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    char32_t c = n == 1 ? lead : lead & (0xff >> (n + 1));
    for (size_t k = 1; k < n && i + k < s.size(); ++k)
      c = c << 6 | (static_cast<unsigned char>(s[i + k]) & 63);
    out += c;
    i += n;
  }
  return out;
}

std::string header(std::string_view descr, const std::vector<int64_t>& dims) {
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}", descr,
                                 fmt::join(dims, ", "), dims.size() == 1 ? "," : "");
  text.append(63 - (10 + text.size()) % 64, ' ');  // data starts at a multiple of 64
  text += '\n';
  if (text.size() > 0xffff) fail("a tensor of rank {} cannot be written as .npy", dims.size());
  std::string out("\x93NUMPY\x01\x00", 8);
  out += static_cast<char>(text.size() & 0xff);
  out += static_cast<char>(text.size() >> 8);
  return out + text;
}

Tensor widened(const Tensor& t, DType to) {
  Tensor out = Tensor::uninitialized(to, t.dims);
  for (int64_t i = 0, n = t.count(); i < n; ++i) {
    if (is_floating(t.dtype))
      store_double(to, out.mutable_bytes().data(), i, t.as_double(i));
    else
      store_i64(to, out.mutable_bytes().data(), i, t.as_i64(i));
  }
  return out;
}

// Column-major to row-major.
Tensor reordered(const Tensor& t) {
  Tensor out = Tensor::uninitialized(t.dtype, t.dims);
  const auto unit = static_cast<size_t>(bit_width(t.dtype) / 8);
  std::vector<int64_t> index(t.dims.size());
  for (int64_t i = 0, n = t.count(); i < n; ++i) {
    int64_t from = 0;
    for (size_t d = t.dims.size(); d-- > 0;) from = from * t.dims[d] + index[d];
    std::memcpy(out.mutable_bytes().data() + static_cast<size_t>(i) * unit,
                t.bytes().data() + static_cast<size_t>(from) * unit, unit);
    for (size_t d = t.dims.size(); d-- > 0 && ++index[d] == t.dims[d];) index[d] = 0;
  }
  return out;
}

}  // namespace

Tensor decode_npy(std::span<const std::byte> bytes, const std::string& label) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.size() < 10 || !text.starts_with("\x93NUMPY")) fail("{}: not an .npy array", label);
  const auto byte = [&](size_t i) { return static_cast<size_t>(static_cast<unsigned char>(text[i])); };
  const bool wide = text[6] >= 2;
  if (wide && text.size() < 12) fail("{}: the array header is cut off", label);
  const size_t start = wide ? 12 : 10;
  const size_t length = byte(8) | byte(9) << 8 | (wide ? byte(10) << 16 | byte(11) << 24 : 0);
  if (length > text.size() - start) fail("{}: the array header is cut off", label);
  const std::string_view head = text.substr(start, length);
  const auto data = bytes.subspan(start + length);
  std::string_view descr = after_key(head, "descr", label);
  if (descr.size() < 4 || descr.front() != '\'') fail("{}: structured arrays are not supported", label);
  descr = descr.substr(1, std::min(descr.find('\'', 1), descr.size()) - 1);
  const char order = descr.empty() ? '>' : descr.front();
  descr.remove_prefix(1);
  if (order == '>') fail("{}: big-endian arrays are not supported", label);
  const bool fortran = after_key(head, "fortran_order", label).starts_with("True");
  std::vector<int64_t> dims = shape_of(head, label);
  if (descr.starts_with('U')) {
    if (fortran && dims.size() > 1) fail("{}: column-major strings are not supported", label);
    return decode_strings(data, std::move(dims), number(descr.substr(1), label), label);
  }
  const auto* kind =
      std::find_if(std::begin(kKinds), std::end(kKinds), [&](const Kind& k) { return k.descr == descr; });
  if (kind == std::end(kKinds)) fail("{}: element type '{}' is not supported", label, descr);
  Tensor t = Tensor::uninitialized(kind->dtype, std::move(dims));
  if (t.byte_size() != data.size())
    fail("{}: {} bytes of data, the shape needs {}", label, data.size(), t.byte_size());
  if (!data.empty()) std::memcpy(t.mutable_bytes().data(), data.data(), data.size());
  return fortran && t.dims.size() > 1 ? reordered(t) : t;
}

std::string encode_npy(const Tensor& t) {
  if (t.dtype == DType::String) {
    std::vector<std::u32string> wide;
    size_t width = 1;
    for (const auto& s : t.strings()) width = std::max(width, wide.emplace_back(from_utf8(s)).size());
    std::string out = header(fmt::format("<U{}", width), t.dims);
    for (auto& s : wide) {
      s.resize(width);
      out.append(reinterpret_cast<const char*>(s.data()), 4 * width);
    }
    return out;
  }
  const auto* kind =
      std::find_if(std::begin(kKinds), std::end(kKinds), [&](const Kind& k) { return k.dtype == t.dtype; });
  if (kind == std::end(kKinds)) {
    if (is_floating(t.dtype)) return encode_npy(widened(t, DType::F32));
    return encode_npy(widened(t, is_signed_integer(t.dtype) ? DType::I8 : DType::U8));
  }
  const char order = bit_width(t.dtype) == 8 ? '|' : '<';
  std::string out = header(order + std::string(kind->descr), t.dims);
  return out.append(reinterpret_cast<const char*>(t.bytes().data()), t.byte_size());
}

Tensor read_npy(const std::filesystem::path& path) {
  return decode_npy(MappedFile::open(path)->bytes(), path.string());
}

void write_npy(const std::filesystem::path& path, const Tensor& t) {
  OutputFile file(path);
  file.write(encode_npy(t));
  file.commit();
}

}  // namespace lathe
