#include "ir/onnx/text.h"

#include <onnx/defs/parser.h>
#include <onnx/defs/printer.h>

#include <algorithm>

#include "ir/base/error.h"
#include "ir/base/mapped_file.h"
#include "ir/onnx/graph_save.h"
#include "ir/onnx/load.h"
#include "ir/onnx/save.h"
#include "ir/onnx/schema.h"

namespace lathe {
namespace {

constexpr int64_t kGraphIrVersion = 13;
constexpr size_t kShortTensor = 256;  // bytes that print_node spells out

// "[ParseError at position (line: 3 column: 2)]\nError context: ...\nwhat" as one line.
std::string one_line(const std::string& message) {
  const size_t begin = message.find('('), end = message.find(")]");
  const size_t what = message.rfind('\n');
  std::string place = begin < end && end != message.npos ? message.substr(begin + 1, end - begin - 1) : "?";
  std::replace(place.begin(), place.end(), ':', ' ');
  place.erase(std::unique(place.begin(), place.end(), [](char a, char b) { return a == ' ' && b == ' '; }),
              place.end());
  return place + ": " + (what == message.npos ? message : message.substr(what + 1));
}

template <class Proto>
Proto parse(std::string_view text) {
  const std::string owned(text);
  onnx::OnnxParser parser(owned);
  Proto proto;
  const auto status = parser.Parse(proto);
  if (!status.IsOK()) fail("ONNX text, {}", one_line(status.ErrorMessage()));
  if (!parser.EndOfInput()) fail("ONNX text: something follows the end of the model");
  return proto;
}

void import_opset(onnx::ModelProto& model, const std::string& domain, int64_t version) {
  auto* o = model.add_opset_import();
  o->set_domain(domain);
  o->set_version(version);
}

template <class Proto>
std::string print(const std::string& bytes) {
  Proto proto;
  if (!proto.ParseFromString(bytes)) fail("cannot print: above protobuf's limits");
  return onnx::ProtoToString(proto);
}

}  // namespace

Model parse_model(std::string_view text) {
  onnx::ModelProto model;
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first != text.npos && text[first] == '<') {
    model = parse<onnx::ModelProto>(text);
  } else {
    *model.mutable_graph() = parse<onnx::GraphProto>(text);
    model.set_ir_version(kGraphIrVersion);
    for (const char* domain : {"", "com.microsoft", "ai.onnx.ml"})
      import_opset(model, domain, newest_opset(domain));
  }
  return load_model(MappedFile::from_bytes(model.SerializeAsString()), "ONNX text", {});
}

std::string print_model(const Model& m) { return print<onnx::ModelProto>(serialize_model(m)); }

std::string print_node(const Model& m, NodeId n) {
  wire::Writer out;
  StringPairs elided;
  ModelEncoder(m, out, [&](const Tensor& t) -> const StringPairs* {
    if (t.byte_size() <= kShortTensor) return nullptr;
    elided = {{"bytes", std::to_string(t.byte_size())}};
    return &elided;
  }).node(n);
  const std::string text = print<onnx::NodeProto>(out.str());
  const size_t begin = text.find_first_not_of(" \n"), end = text.find_last_not_of(" \n");
  return begin == text.npos ? std::string() : text.substr(begin, end - begin + 1);
}

}  // namespace lathe
