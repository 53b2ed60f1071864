#include "ir/onnx/opset_proto.h"

#include <algorithm>

#include "ir/onnx/fields.h"

namespace lathe {
namespace {

OpsetImport decode(wire::Bytes message) {
  OpsetImport o;
  wire::Reader reader(message);
  for (wire::Field f; reader.next(f);) {
    if (f.number == field::opset::domain) o.domain = f.text() == "ai.onnx" ? "" : std::string(f.text());
    if (f.number == field::opset::version) o.version = f.i64();
  }
  return o;
}

// The domain is written even if empty, as onnx.helper does.
std::string encode(const OpsetImport& o) {
  wire::Writer out;
  out.text(field::opset::domain, o.domain);
  out.i64(field::opset::version, o.version);
  return out.str();
}

}  // namespace

OpsetImport decode_opset(const wire::Field& f, CarriedFields& carried) {
  OpsetImport o = decode(f.message());
  if (encode(o) != f.text()) carried.add(f);
  return o;
}

void encode_opsets(FieldMerger& merger, uint32_t number, const std::vector<OpsetImport>& opsets) {
  auto spelled = merger.take(number);
  for (const OpsetImport& o : opsets) {
    const auto same = [&](const wire::Field& f) { return decode(f.payload) == o; };
    const auto it = std::find_if(spelled.begin(), spelled.end(), same);
    if (it == spelled.end()) {
      merger.out().text(number, encode(o));
    } else {
      merger.out().raw(it->whole);
      spelled.erase(it);
    }
  }
}

}  // namespace lathe
