#include "ir/onnx/carried.h"

#include <algorithm>

#include "ir/base/error.h"
#include "ir/onnx/fields.h"

namespace lathe {

void CarriedFields::add(const wire::Field& field) {
  if (field.number == kMarkField) fail("field number {} is not one of ONNX's", field.number);
  text_.append(wire::as_text(field.whole));
}

std::string CarriedFields::take() {
  if (marks_ != 0) {
    wire::Writer mark;
    mark.varint(kMarkField, std::exchange(marks_, 0));
    text_ += mark.str();
  }
  return std::exchange(text_, {});
}

bool is_marked(std::string_view carried, uint64_t bit) {
  wire::Writer ignored;
  return !carried.empty() && FieldMerger(ignored, carried).marked(bit);
}

FieldMerger::FieldMerger(wire::Writer& out, std::string_view carried) : out_(out) {
  if (carried.empty()) return;
  wire::Reader reader(wire::as_bytes(carried));
  wire::Field f;
  while (reader.next(f)) {
    if (f.number == kMarkField) {
      marks_ |= f.scalar;
    } else {
      records_.push_back(f);
    }
  }
  std::stable_sort(records_.begin(), records_.end(),
                   [](const auto& a, const auto& b) { return a.number < b.number; });
}

void FieldMerger::before(uint32_t number) {
  for (; next_ < records_.size() && records_[next_].number < number; ++next_) out_.raw(records_[next_].whole);
}

std::vector<wire::Field> FieldMerger::take(uint32_t number) {
  before(number);
  std::vector<wire::Field> out;
  for (; next_ < records_.size() && records_[next_].number == number; ++next_) out.push_back(records_[next_]);
  return out;
}

void FieldMerger::text(uint32_t number, std::string_view value) {
  if (value.empty()) {
    before(number + 1);
  } else {
    take(number);
    out_.text(number, value);
  }
}

std::pair<std::string, std::string> decode_entry(wire::Bytes message) {
  std::pair<std::string, std::string> entry;
  wire::Reader reader(message);
  wire::Field f;
  while (reader.next(f)) {
    if (f.number == field::entry::key) entry.first = f.text();
    if (f.number == field::entry::value) entry.second = f.text();
  }
  return entry;
}

void encode_entries(wire::Writer& out, uint32_t number, const StringPairs& entries) {
  for (const auto& [key, value] : entries)
    out.message(number, [&] {
      out.text(field::entry::key, key);
      out.text(field::entry::value, value);
    });
}

NotesPtr NotesBuilder::take() {
  Notes notes{std::exchange(doc, {}), std::exchange(metadata, {}), carried.take()};
  if (notes.doc.empty() && notes.metadata.empty() && notes.carried.empty()) return nullptr;
  if (!last_ || !(*last_ == notes)) last_ = std::make_shared<const Notes>(std::move(notes));
  return last_;
}

}  // namespace lathe
