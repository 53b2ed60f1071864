// The protobuf wire format (protobuf.dev/programming-guides/encoding), read in place and written as a list of
// pieces. The reader never allocates; whatever is truncated, overlong or of a wrong wire type is an input
// error.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::wire {

using Bytes = std::span<const std::byte>;

enum class WireType : uint8_t { varint = 0, fixed64 = 1, bytes = 2, group = 3, end_group = 4, fixed32 = 5 };

// One field of a message.
struct Field {
  uint32_t number = 0;
  WireType type = WireType::varint;
  uint64_t scalar = 0;  // varint, fixed32, fixed64
  Bytes payload;        // bytes: without the length
  Bytes whole;          // tag, length and payload

  // Typed reads; a field of another wire type is an input error naming the field's number.
  uint64_t u64() const;
  int64_t i64() const { return static_cast<int64_t>(u64()); }
  float f32() const;
  Bytes message() const;
  std::string_view text() const;
};

class Reader {
 public:
  explicit Reader(Bytes bytes) : p_(bytes.data()), end_(bytes.data() + bytes.size()) {}
  // The next field, or false at the end.
  bool next(Field& field);

  // For packed lists.
  bool at_end() const { return p_ == end_; }
  uint64_t varint();
  size_t left() const { return static_cast<size_t>(end_ - p_); }

 private:
  void skip_group(uint32_t number);
  void skip(uint32_t number, WireType type, Field& field);

  const std::byte* p_;
  const std::byte* end_;
};

// Appends the values of a repeated number, whether packed or one by one.
void read_int64s(const Field& field, std::vector<int64_t>& out);
void read_floats(const Field& field, std::vector<float>& out);

std::string_view as_text(Bytes bytes);
Bytes as_bytes(std::string_view text);

// A message under construction. Large payloads are kept as references and come out as pieces, in order.
class Writer {
 public:
  void varint(uint32_t number, uint64_t value);
  void i64(uint32_t number, int64_t value) { varint(number, static_cast<uint64_t>(value)); }
  void f32(uint32_t number, float value);
  void text(uint32_t number, std::string_view value) { bytes(number, as_bytes(value)); }
  void bytes(uint32_t number, Bytes value);
  // The bytes must stay alive until the writer is done with.
  void bytes_by_reference(uint32_t number, Bytes value);
  void raw(Bytes fields);                                    // fields that are encoded already
  void packed_varint(uint64_t value) { put_varint(value); }  // inside of a message() body

  // A length-delimited field whose body is what `body` writes.
  template <class F>
  void message(uint32_t number, F&& body) {
    const Mark mark = begin();
    body();
    end(number, mark);
  }

  uint64_t size() const { return text_.size() + referenced_; }
  // Calls sink(Bytes) for consecutive pieces.
  template <class F>
  void pieces(F&& sink) const {
    size_t at = 0;
    for (const Reference& r : references_) {
      if (r.at > at) sink(as_bytes(std::string_view(text_).substr(at, r.at - at)));
      sink(r.bytes);
      at = r.at;
    }
    if (at < text_.size()) sink(as_bytes(std::string_view(text_).substr(at)));
  }
  std::string str() const;

 private:
  struct Reference {
    size_t at;  // offset in text_ before which the bytes stand
    Bytes bytes;
  };
  struct Mark {
    size_t text, references;
    uint64_t referenced;
  };
  Mark begin() const { return {text_.size(), references_.size(), referenced_}; }
  void end(uint32_t number, const Mark& mark);
  void put_varint(uint64_t value);
  void put_tag(uint32_t number, WireType type) {
    put_varint(uint64_t{number} << 3 | static_cast<uint64_t>(type));
  }

  std::string text_;
  std::vector<Reference> references_;
  uint64_t referenced_ = 0;
};

}  // namespace lathe::wire
