// Carried fields: what lathe does not interpret, or could not spell the same way again, kept as whole
// protobuf records and merged back by field number at save. A record may be
//   - a field unknown to lathe;
//   - a known string that is present but empty, or spelled in a way that the IR normalises ("ai.onnx");
//   - a known field whose usual encoding differs from the file's (packed where unpacked is usual, ...). It is
//   written
//     back only while the IR still holds what it says.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "ir/core/model.h"
#include "ir/onnx/wire.h"

namespace lathe {

// lathe's own marks inside a carried string; no file may use the number.
inline constexpr uint32_t kMarkField = (uint32_t{1} << 29) - 1;
inline constexpr uint64_t kMarkNoType = 1;    // AttributeProto.type was left out
inline constexpr uint64_t kMarkNoValue = 2;   // a scalar attribute's value was left out
inline constexpr uint64_t kMarkNoOpsets = 4;  // a model without opset_import
inline constexpr uint64_t kMarkUnlifted = 8;  // a model whose op spellings are still those of its opsets

class CarriedFields {
 public:
  void add(const wire::Field& field);
  // Keeps a string field that the IR would drop or change.
  void add_if_empty(const wire::Field& field) {
    if (field.message().empty()) add(field);
  }
  void mark(uint64_t bits) { marks_ |= bits; }
  bool empty() const { return text_.empty() && marks_ == 0; }
  std::string take();

 private:
  std::string text_;
  uint64_t marks_ = 0;
};

bool is_marked(std::string_view carried, uint64_t bit);

// Writes one message's fields in the order of their numbers, with the carried ones between them.
class FieldMerger {
 public:
  FieldMerger(wire::Writer& out, std::string_view carried);
  // A singular string: written if not empty, otherwise the carried record of that number.
  void text(uint32_t number, std::string_view value);
  // To be called before the caller writes field `number` itself; carried records of that number come first.
  void before(uint32_t number);
  // The carried records of `number`, which are then gone.
  std::vector<wire::Field> take(uint32_t number);
  bool marked(uint64_t bit) const { return (marks_ & bit) != 0; }
  void finish() { before(kMarkField + 1); }
  wire::Writer& out() { return out_; }

 private:
  wire::Writer& out_;
  std::vector<wire::Field> records_;  // by number, stable
  size_t next_ = 0;
  uint64_t marks_ = 0;
};

// metadata_props and other StringStringEntryProto lists.
std::pair<std::string, std::string> decode_entry(wire::Bytes message);
void encode_entries(wire::Writer& out, uint32_t number, const StringPairs& entries);

// Notes under construction; equal neighbours share one object.
class NotesBuilder {
 public:
  std::string doc;
  StringPairs metadata;
  CarriedFields carried;
  NotesPtr take();

 private:
  NotesPtr last_;
};

}  // namespace lathe
