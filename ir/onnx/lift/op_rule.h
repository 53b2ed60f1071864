// How the spelling of one op changed between opsets: a table entry an op, one file a family (like ir/ops).
#pragma once
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "ir/core/model.h"

namespace lathe {

// A working copy of a node, on its way to the canonical form or back.
class Draft {
 public:
  Draft(const Model& m, NodeId id, int64_t opset);

  struct In {
    ValueId value;
    TensorPtr made;  // a constant that lift adds
    int from = -1;   // the slot that it had
  };

  const Model& model;
  const NodeId id;
  const int64_t opset;  // lift: where the node comes from; lower: where it goes
  std::string type;
  Attrs attrs;
  std::vector<In> in;
  bool changed = false;   // differs from the node
  bool unusable = false;  // an attribute is of an unexpected kind, or comes from a function's parameter

  const Node& node() const { return model[id]; }
  bool has(size_t i) const { return i < in.size() && (in[i].value || in[i].made); }
  Type type_of(size_t i) const;  // Kind::None if missing or unknown
  DType dtype(size_t i) const { return type_of(i).dtype; }
  int rank(size_t i) const { return type_of(i).rank(); }
  TensorPtr constant(size_t i) const;
  bool wants_output(size_t i) const;  // present and used

  // Removes an attribute and gives its value.
  std::optional<int64_t> take_int(std::string_view name) { return take<int64_t>(name); }
  std::optional<float> take_float(std::string_view name) { return take<float>(name); }
  std::optional<std::string> take_string(std::string_view name) { return take<std::string>(name); }
  std::optional<std::vector<int64_t>> take_ints(std::string_view name);
  std::optional<std::vector<float>> take_floats(std::string_view name);
  void drop(std::string_view name) { changed |= attrs.erase(name); }
  void set(std::string_view name, AttrValue value);
  void rename(std::string_view to);
  void make(size_t slot, Tensor constant);
  void omit_from(size_t slot);        // removes the inputs from this slot on
  void move(size_t from, size_t to);  // `from` becomes omitted

  // Lowering: this form needs a newer opset. The node is named.
  [[noreturn]] void needs(int64_t opset) const;
  // Lowering: a constant integer input becomes an attribute; a computed one needs `opset`.
  std::vector<int64_t> constant_ints(size_t slot, int64_t opset) const;
  float constant_float(size_t slot, int64_t opset) const;

 private:
  template <class T>
  std::optional<T> take(std::string_view name);
};

struct OpRule {
  std::string_view type;
  int below;  // concerns opsets below this one
  // To the canonical form; false: it has none (the node is marked).
  bool (*lift)(Draft&);
  // To d.opset; calls d.needs() if it cannot. Null: nothing to do.
  void (*lower)(Draft&);
};

// An attribute that an opset added. Its default is what older opsets mean.
struct NewAttr {
  std::string_view type, name;
  int since;
  AttrValue otherwise;  // monostate: the attribute is not given
};

std::span<const OpRule> axes_rules();
std::span<const OpRule> elementwise_rules();
std::span<const OpRule> nn_rules();
std::span<const OpRule> resize_rules();
std::span<const OpRule> tensor_rules();
std::span<const OpRule> ml_rules();  // ai.onnx.ml

// What is known of an op; null rules and no attributes for most.
struct OpHistory {
  const OpRule* rule = nullptr;
  std::vector<const NewAttr*> new_attrs;
  int first = 0;  // first opset that has it
  int below = 0;  // from here on there is nothing to do
};
// Null for ops that no opset of the domain has.
const OpHistory* op_history(std::string_view domain, std::string_view type);

}  // namespace lathe
