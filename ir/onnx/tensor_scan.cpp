#include "ir/onnx/tensor_scan.h"

#include <algorithm>

#include "ir/base/error.h"
#include "ir/base/quote.h"
#include "ir/onnx/fields.h"
#include "ir/onnx/opset_proto.h"
#include "ir/onnx/tensor_proto.h"

namespace lathe {
namespace {

using wire::Bytes;
using wire::Field;
using wire::Reader;

enum class Part : uint8_t { model, graph, node, attribute, function, tensor, sparse };

// A message that is still to be walked, and where it stands.
struct Item {
  Part part;
  Bytes bytes;
  std::string place;
};

std::string name_of(Bytes message, uint32_t number) {
  Reader reader(message);
  for (Field f; reader.next(f);)
    if (f.number == number && f.type == wire::WireType::bytes) return std::string(f.text());
  return {};
}

class Scan {
 public:
  std::vector<TensorRecord> run(Bytes file) {
    stack_.push_back({Part::model, file, ""});
    while (!stack_.empty()) {
      const Item item = std::move(stack_.back());
      stack_.pop_back();
      const size_t below = stack_.size();
      try {
        walk(item);
      } catch (const Error&) {  // NOLINT(bugprone-empty-catch)
        // The loader says what is wrong; what stands before it has been seen.
      }
      std::reverse(stack_.begin() + static_cast<std::ptrdiff_t>(below), stack_.end());
    }
    return std::move(out_);
  }

 private:
  void push(Part part, const Field& f, const std::string& place, const std::string& what = "") {
    if (f.type != wire::WireType::bytes) return;
    constexpr size_t kLongest = 2000;  // a place of many nested parts is cut
    std::string inner = place;
    if (!what.empty() && inner.size() < kLongest) inner += (inner.empty() ? "" : ", ") + what;
    stack_.push_back({part, f.payload, std::move(inner)});
  }

  void walk(const Item& item) {
    switch (item.part) {
      case Part::tensor:
        return tensor(item);
      case Part::attribute:
        return attribute(item);
      default:
        break;
    }
    std::string node;
    Reader reader(item.bytes);
    for (Field f; reader.next(f);) {
      if (item.part == Part::model && f.number == field::model::graph) push(Part::graph, f, item.place);
      if (item.part == Part::model && f.number == field::model::functions) {
        if (f.type != wire::WireType::bytes) continue;
        push(Part::function, f, item.place, "function " + quote(name_of(f.payload, field::function::name)));
      }
      if (item.part == Part::graph && f.number == field::graph::initializer)
        push(Part::tensor, f, item.place, "initializer");
      if (item.part == Part::graph && f.number == field::graph::sparse_initializer)
        push(Part::sparse, f, item.place, "sparse initializer");
      if ((item.part == Part::graph && f.number == field::graph::node) ||
          (item.part == Part::function && f.number == field::function::node))
        push(Part::node, f, item.place);
      if (item.part == Part::node && f.number == field::node::attribute && holds_tensors(f)) {
        if (node.empty()) node = node_text(item.bytes);
        push(Part::attribute, f, item.place, node);
      }
      if (item.part == Part::function && f.number == field::function::attribute_proto)
        push(Part::attribute, f, item.place);
      if (item.part == Part::sparse &&
          (f.number == field::sparse::values || f.number == field::sparse::indices))
        push(Part::tensor, f, item.place);
    }
  }

  static bool holds_tensors(const Field& attribute) {
    if (attribute.type != wire::WireType::bytes) return false;
    Reader reader(attribute.payload);
    for (Field f; reader.next(f);) switch (f.number) {
        case field::attribute::t:
        case field::attribute::g:
        case field::attribute::tensors:
        case field::attribute::graphs:
        case field::attribute::sparse_tensor:
        case field::attribute::sparse_tensors:
          return true;
        default:
          break;
      }
    return false;
  }

  static std::string node_text(Bytes message) {
    const std::string name = name_of(message, field::node::name);
    return "node " + quote(name.empty() ? name_of(message, field::node::op_type) : name);
  }

  void attribute(const Item& item) {
    const std::string what = "attribute " + quote(name_of(item.bytes, field::attribute::name));
    Reader reader(item.bytes);
    for (Field f; reader.next(f);) switch (f.number) {
        case field::attribute::t:
        case field::attribute::tensors:
          push(Part::tensor, f, item.place, what);
          break;
        case field::attribute::g:
        case field::attribute::graphs:
          push(Part::graph, f, item.place, what);
          break;
        case field::attribute::sparse_tensor:
        case field::attribute::sparse_tensors:
          push(Part::sparse, f, item.place, what);
          break;
        default:
          break;
      }
  }

  void tensor(const Item& item) {
    TensorRecord r;
    r.place = item.place;
    bool external = false;
    Reader reader(item.bytes);
    for (Field f; reader.next(f);) {
      const bool bytes = f.type == wire::WireType::bytes;
      if (const auto p = payload_name(f.number); !p.empty() && (!bytes || !f.payload.empty())) {
        if (f.number == field::tensor::raw_data || r.payloads.empty() || r.payloads.back() != p)
          r.payloads.emplace_back(p);
      }
      if (f.number == field::tensor::name && bytes) r.name = f.text();
      if (f.number == field::tensor::data_location && !bytes) external = f.scalar == 1;
      if (f.number == field::tensor::external_data && bytes) r.external.push_back(decode_entry(f.payload));
    }
    if (external) r.payloads.emplace_back("external_data");
    if (!external) r.external.clear();
    if (!external && r.payloads.size() < 2) return;
    if (!r.name.empty()) r.place += " " + quote(r.name);
    out_.push_back(std::move(r));
  }

  std::vector<Item> stack_;
  std::vector<TensorRecord> out_;
};

}  // namespace

std::vector<TensorRecord> scan_tensors(Bytes file) { return Scan().run(file); }

}  // namespace lathe
