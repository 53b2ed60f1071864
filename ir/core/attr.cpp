#include "ir/core/attr.h"

#include <algorithm>
#include <bit>

#include "ir/base/hash.h"

namespace lathe {
namespace {

template <class T, class D>
T get(const Attrs& attrs, std::string_view name, D&& otherwise, const char* kind) {
  const AttrValue* v = attrs.find(name);
  if (v == nullptr) return T(std::forward<D>(otherwise));
  if (const T* t = std::get_if<T>(v)) return *t;
  fail("attribute '{}' is not {}", name, kind);
}

// An empty list has no kind in old files (all repeated fields empty): read it as any list.
template <class T>
std::vector<T> get_list(const Attrs& attrs, std::string_view name, std::vector<T> otherwise,
                        const char* kind) {
  const AttrValue* v = attrs.find(name);
  if (v != nullptr && std::holds_alternative<std::monostate>(*v)) return {};
  return get<std::vector<T>>(attrs, name, std::move(otherwise), kind);
}

bool same(const TensorPtr& a, const TensorPtr& b) { return a == b || (a && b && same_content(*a, *b)); }
bool same(const std::shared_ptr<const SparseTensor>& a, const std::shared_ptr<const SparseTensor>& b) {
  return a == b || (a && b && a->dims == b->dims && same_content(a->values, b->values) &&
                    same_content(a->indices, b->indices));
}
template <class T>
bool same(const T& a, const T& b) {
  return a == b;
}
bool same(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
}  // NaN equals itself, -0 differs from 0
template <class T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const T& x, const T& y) { return same(x, y); });
}

uint64_t hash_of(std::monostate) { return 0; }
uint64_t hash_of(float v) { return hash_bytes(&v, sizeof v); }
uint64_t hash_of(int64_t v) { return mix(static_cast<uint64_t>(v)); }
uint64_t hash_of(const std::string& v) { return hash_string(v); }
uint64_t hash_of(const TensorPtr& v) { return v ? content_hash(*v) : 0; }
uint64_t hash_of(GraphId) { return 1; }
uint64_t hash_of(const std::shared_ptr<const SparseTensor>& v) {
  return v ? hash_combine(content_hash(v->values), content_hash(v->indices)) : 0;
}
uint64_t hash_of(const Type& v) { return hash_string(v.str()); }
uint64_t hash_of(const AttrRef& v) { return hash_string(v.param, static_cast<uint64_t>(v.kind)); }
template <class T>
uint64_t hash_of(const std::vector<T>& v) {
  uint64_t h = v.size();
  for (const T& x : v) h = hash_combine(h, hash_of(x));
  return h;
}

}  // namespace

const AttrValue* Attrs::find(std::string_view name) const {
  for (const Attr& a : items_)
    if (a.name == name) return &a.value;
  return nullptr;
}

void Attrs::set(std::string_view name, AttrValue value) {
  for (Attr& a : items_)
    if (a.name == name) {
      a.value = std::move(value);
      return;
    }
  items_.push_back({std::string(name), std::move(value), nullptr});
}

bool Attrs::erase(std::string_view name) {
  return std::erase_if(items_, [&](const Attr& a) { return a.name == name; }) > 0;
}

int64_t Attrs::i(std::string_view name, int64_t otherwise) const {
  return get<int64_t>(*this, name, otherwise, "an int");
}
float Attrs::f(std::string_view name, float otherwise) const {
  return get<float>(*this, name, otherwise, "a float");
}
std::string Attrs::s(std::string_view name, std::string_view otherwise) const {
  return get<std::string>(*this, name, otherwise, "a string");
}
std::vector<int64_t> Attrs::ints(std::string_view name, std::vector<int64_t> otherwise) const {
  return get_list<int64_t>(*this, name, std::move(otherwise), "a list of ints");
}
std::vector<float> Attrs::floats(std::string_view name, std::vector<float> otherwise) const {
  return get_list<float>(*this, name, std::move(otherwise), "a list of floats");
}
std::vector<std::string> Attrs::strings(std::string_view name, std::vector<std::string> otherwise) const {
  return get_list<std::string>(*this, name, std::move(otherwise), "a list of strings");
}
TensorPtr Attrs::tensor(std::string_view name) const {
  return get<TensorPtr>(*this, name, nullptr, "a tensor");
}
GraphId Attrs::graph(std::string_view name) const { return get<GraphId>(*this, name, GraphId{}, "a graph"); }

AttrKind kind_of(const AttrValue& v) {
  static constexpr AttrKind kKinds[] = {AttrKind::Undefined,     AttrKind::Float,  AttrKind::Int,
                                        AttrKind::String,        AttrKind::Tensor, AttrKind::Graph,
                                        AttrKind::Floats,        AttrKind::Ints,   AttrKind::Strings,
                                        AttrKind::Tensors,       AttrKind::Graphs, AttrKind::SparseTensor,
                                        AttrKind::SparseTensors, AttrKind::Type,   AttrKind::Types};
  if (const auto* ref = std::get_if<AttrRef>(&v)) return ref->kind;
  return kKinds[v.index()];
}

bool same_value(const AttrValue& a, const AttrValue& b) {
  if (a.index() != b.index()) return false;
  return std::visit([&]<class T>(const T& x) { return same(x, std::get<T>(b)); }, a);
}

uint64_t hash_value(const AttrValue& v) {
  return hash_combine(v.index(), std::visit([](const auto& x) { return hash_of(x); }, v));
}

}  // namespace lathe
