#include <algorithm>

#include "ir/onnx/lift.h"
#include "ir/onnx/lift/op_rule.h"
#include "ir/onnx/lift/spelling.h"

namespace lathe {

Draft::Draft(const Model& m, NodeId n, int64_t o)
    : model(m), id(n), opset(o), type(m[n].type), attrs(m[n].attrs) {
  for (const ValueId v : m[n].in) in.push_back({v, nullptr, static_cast<int>(in.size())});
}

Type Draft::type_of(size_t i) const {
  if (!has(i)) return {};
  if (in[i].made)
    return Type::tensor(in[i].made->dtype, Shape(in[i].made->dims.begin(), in[i].made->dims.end()));
  return model[in[i].value].type;
}

TensorPtr Draft::constant(size_t i) const {
  if (!has(i)) return nullptr;
  return in[i].made ? in[i].made : model.constant_ptr(in[i].value);
}

bool Draft::wants_output(size_t i) const {
  const ValueId v = node().output(i);
  return v && !model[v].uses.empty();
}

template <class T>
std::optional<T> Draft::take(std::string_view name) {
  const AttrValue* v = attrs.find(name);
  if (v == nullptr) return std::nullopt;
  const T* t = std::get_if<T>(v);
  if (t == nullptr) {
    unusable = true;
    return std::nullopt;
  }
  T value = *t;
  drop(name);
  return value;
}
template std::optional<int64_t> Draft::take(std::string_view);
template std::optional<float> Draft::take(std::string_view);
template std::optional<std::string> Draft::take(std::string_view);

// Old files do not tell the kind of an empty list.
std::optional<std::vector<int64_t>> Draft::take_ints(std::string_view name) {
  if (const AttrValue* v = attrs.find(name); v != nullptr && std::holds_alternative<std::monostate>(*v)) {
    drop(name);
    return std::vector<int64_t>();
  }
  return take<std::vector<int64_t>>(name);
}

std::optional<std::vector<float>> Draft::take_floats(std::string_view name) {
  return take<std::vector<float>>(name);
}

void Draft::set(std::string_view name, AttrValue value) {
  attrs.set(name, std::move(value));
  changed = true;
}

void Draft::rename(std::string_view to) {
  type = to;
  changed = true;
}

void Draft::make(size_t slot, Tensor constant) {
  if (slot >= in.size()) in.resize(slot + 1);
  in[slot] = {{}, std::make_shared<const Tensor>(std::move(constant)), -1};
  changed = true;
}

void Draft::omit_from(size_t slot) {
  if (slot >= in.size()) return;
  in.resize(slot);
  changed = true;
}

void Draft::move(size_t from, size_t to) {
  if (to >= in.size()) in.resize(to + 1);
  in[to] = std::exchange(in[from], {});
  changed = true;
}

void Draft::needs(int64_t newer) const {
  std::string where = node().name;
  if (where.empty() && node().output(0)) where = model[node().output(0)].name;
  fail("node '{}': {} as it is here needs opset {}, the model has {}: use --opset={}", where, node().type,
       newer, opset, newer);
}

std::vector<int64_t> Draft::constant_ints(size_t slot, int64_t newer) const {
  const TensorPtr t = constant(slot);
  if (!t || !is_integer(t->dtype)) needs(newer);
  return t->to_i64();
}

float Draft::constant_float(size_t slot, int64_t newer) const {
  const TensorPtr t = constant(slot);
  const auto value = t ? t->scalar_value() : std::nullopt;
  if (!value) needs(newer);
  return static_cast<float>(*value);
}

bool is_untouched(const Model& m, const Node& n, const Spelling& s) {
  const auto& a = n.attrs.items();
  const auto& b = s.canonical_attrs.items();
  if (n.type != s.canonical_type || n.in.size() != s.canonical_inputs || a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i].name != b[i].name || !same_value(a[i].value, b[i].value)) return false;
  std::vector<TensorPtr> made(n.in.size());
  std::vector<bool> ours(n.in.size(), true);
  for (const uint32_t slot : s.slots) ours[slot] = false;
  for (const auto& [slot, tensor] : s.made) made[slot] = tensor;
  for (size_t i = 0; i < n.in.size(); ++i) {
    if (!ours[i]) continue;
    if (!made[i]) {
      if (n.in[i]) return false;
      continue;
    }
    const TensorPtr t = m.constant_ptr(n.in[i]);
    if (t != made[i] && !(t && same_content(*t, *made[i]))) return false;
  }
  return true;
}

}  // namespace lathe
