// Attributes of a node, in file order.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ir/base/id.h"
#include "ir/core/tensor.h"
#include "ir/core/type.h"

namespace lathe {

using NodeId = Id<struct NodeTag>;
using ValueId = Id<struct ValueTag>;
using GraphId = Id<struct GraphTag>;

// AttributeProto.AttributeType, same values.
enum class AttrKind : uint8_t {
  Undefined = 0,
  Float = 1,
  Int = 2,
  String = 3,
  Tensor = 4,
  Graph = 5,
  Floats = 6,
  Ints = 7,
  Strings = 8,
  Tensors = 9,
  Graphs = 10,
  SparseTensor = 11,
  SparseTensors = 12,
  Type = 13,
  Types = 14,
};

// The value comes from the attribute `param` of the enclosing function's call.
struct AttrRef {
  std::string param;
  AttrKind kind = AttrKind::Undefined;
  bool operator==(const AttrRef&) const = default;
};

using TensorPtr = std::shared_ptr<const Tensor>;

using AttrValue =
    std::variant<std::monostate, float, int64_t, std::string, TensorPtr, GraphId, std::vector<float>,
                 std::vector<int64_t>, std::vector<std::string>, std::vector<TensorPtr>, std::vector<GraphId>,
                 std::shared_ptr<const SparseTensor>, std::vector<std::shared_ptr<const SparseTensor>>,
                 lathe::Type, std::vector<lathe::Type>, AttrRef>;

struct Attr {
  std::string name;
  AttrValue value;
  std::shared_ptr<const std::string> carried;  // doc_string and unknown fields, verbatim protobuf
};

class Attrs {
 public:
  const AttrValue* find(std::string_view name) const;
  // Replaces in place or appends.
  void set(std::string_view name, AttrValue value);
  bool erase(std::string_view name);
  bool has(std::string_view name) const { return find(name) != nullptr; }

  // Typed look-ups. A missing attribute gives the default; one of another kind is an input error naming it.
  int64_t i(std::string_view name, int64_t otherwise) const;
  float f(std::string_view name, float otherwise) const;
  std::string s(std::string_view name, std::string_view otherwise) const;
  std::vector<int64_t> ints(std::string_view name, std::vector<int64_t> otherwise = {}) const;
  std::vector<float> floats(std::string_view name, std::vector<float> otherwise = {}) const;
  std::vector<std::string> strings(std::string_view name, std::vector<std::string> otherwise = {}) const;
  TensorPtr tensor(std::string_view name) const;  // null if missing
  GraphId graph(std::string_view name) const;     // none if missing

  std::vector<Attr>& items() { return items_; }
  const std::vector<Attr>& items() const { return items_; }
  bool empty() const { return items_.empty(); }

 private:
  std::vector<Attr> items_;
};

// Kind of a value (of the referenced parameter for AttrRef).
AttrKind kind_of(const AttrValue& v);
// Same kind and content; tensors and types by content; graphs by id.
bool same_value(const AttrValue& a, const AttrValue& b);
uint64_t hash_value(const AttrValue& v);  // tensors by content; graphs ignored (the caller adds them)

}  // namespace lathe
