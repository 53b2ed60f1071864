#include "ir/onnx/attr_proto.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ir/base/error.h"
#include "ir/base/quote.h"
#include "ir/onnx/fields.h"
#include "ir/onnx/type_proto.h"

namespace lathe {
namespace {

using wire::Bytes;
using wire::Field;
using wire::Reader;
using wire::WireType;
using wire::Writer;
namespace fa = field::attribute;

struct KindField {
  AttrKind kind;
  uint32_t number;
};
constexpr KindField kFields[] = {
    {AttrKind::Float, fa::f},
    {AttrKind::Int, fa::i},
    {AttrKind::String, fa::s},
    {AttrKind::Tensor, fa::t},
    {AttrKind::Graph, fa::g},
    {AttrKind::Floats, fa::floats},
    {AttrKind::Ints, fa::ints},
    {AttrKind::Strings, fa::strings},
    {AttrKind::Tensors, fa::tensors},
    {AttrKind::Graphs, fa::graphs},
    {AttrKind::SparseTensor, fa::sparse_tensor},
    {AttrKind::SparseTensors, fa::sparse_tensors},
    {AttrKind::Type, fa::tp},
    {AttrKind::Types, fa::type_protos},
};

AttrKind kind_of_field(uint32_t number) {
  for (const KindField& k : kFields)
    if (k.number == number) return k.kind;
  return AttrKind::Undefined;
}
uint32_t field_of_kind(AttrKind kind) {
  for (const KindField& k : kFields)
    if (k.kind == kind) return k.number;
  return 0;
}

// Everything of one attribute but its value.
struct Header {
  Attr attr;
  AttrRef ref;
  AttrKind kind = AttrKind::Undefined;
  bool has_type = false;
  CarriedFields carried;
};

Header read_header(Bytes message) {
  Header h;
  AttrKind populated = AttrKind::Undefined;
  bool several = false, has_graph = false;
  Reader reader(message);
  for (Field f; reader.next(f);) {
    switch (f.number) {
      case fa::name:
        h.attr.name = f.text();
        break;
      case fa::type:
        if (f.u64() > static_cast<uint64_t>(AttrKind::Types)) fail("attribute type {} is unknown", f.u64());
        h.kind = static_cast<AttrKind>(f.u64());
        h.has_type = h.kind != AttrKind::Undefined;
        if (!h.has_type) h.carried.add(f);
        break;
      case fa::ref_attr_name:
        h.ref.param = f.text();
        h.carried.add_if_empty(f);
        break;
      default: {
        const AttrKind kind = kind_of_field(f.number);
        if (kind == AttrKind::Undefined) {
          h.carried.add(f);
          break;
        }
        has_graph |= kind == AttrKind::Graph || kind == AttrKind::Graphs;
        several |= populated != AttrKind::Undefined && populated != kind;
        populated = kind;
      }
    }
  }
  if (h.attr.name.empty()) fail("an attribute has no name");
  if (h.attr.name[0] == '$') fail("attribute names that begin with '$' are lathe's own");
  if (!h.has_type) {
    if (several) fail("attribute has no type and several values");
    h.kind = populated;
    h.carried.mark(kMarkNoType);
  }
  // A graph that is not the value would be neither read nor checked.
  if (has_graph && (several || h.kind != populated || !h.ref.param.empty()))
    fail("attribute has a graph and another value");
  return h;
}

struct Decoder {
  const TensorSource& source;
  const std::function<GraphId()>& subgraph;
  CarriedFields& carried;

  TensorPtr tensor(const Field& f) const {
    return std::make_shared<const Tensor>(decode_tensor(f.message(), source));
  }
  std::shared_ptr<const SparseTensor> sparse(const Field& f) const {
    return std::make_shared<const SparseTensor>(decode_sparse(f.message(), source));
  }

  // Adds one record to the value, which starts as the empty value of its kind.
  void add(const Field& f, AttrValue& value) const {
    switch (f.number) {
      case fa::f:
        value = f.f32();
        break;
      case fa::i:
        value = f.i64();
        break;
      case fa::s:
        value = std::string(f.text());
        break;
      case fa::t:
        value = tensor(f);
        break;
      case fa::g:
        value = subgraph();
        break;
      case fa::tp:
        value = decode_type(f, carried);
        break;
      case fa::sparse_tensor:
        value = sparse(f);
        break;
      case fa::floats:
        if (f.type == WireType::bytes) carried.add(f);
        read_floats(f, std::get<std::vector<float>>(value));
        break;
      case fa::ints:
        if (f.type == WireType::bytes) carried.add(f);
        read_int64s(f, std::get<std::vector<int64_t>>(value));
        break;
      case fa::strings:
        std::get<std::vector<std::string>>(value).emplace_back(f.text());
        break;
      case fa::tensors:
        std::get<std::vector<TensorPtr>>(value).push_back(tensor(f));
        break;
      case fa::graphs:
        std::get<std::vector<GraphId>>(value).push_back(subgraph());
        break;
      case fa::sparse_tensors:
        std::get<std::vector<std::shared_ptr<const SparseTensor>>>(value).push_back(sparse(f));
        break;
      case fa::type_protos:
        std::get<std::vector<Type>>(value).push_back(decode_type(f.message()));
        break;
      default:
        break;
    }
  }
};

AttrValue empty_value(AttrKind kind) {
  switch (kind) {
    case AttrKind::Float:
      return 0.0f;
    case AttrKind::Int:
      return int64_t{0};
    case AttrKind::String:
      return std::string();
    case AttrKind::Floats:
      return std::vector<float>();
    case AttrKind::Ints:
      return std::vector<int64_t>();
    case AttrKind::Strings:
      return std::vector<std::string>();
    case AttrKind::Tensors:
      return std::vector<TensorPtr>();
    case AttrKind::Graphs:
      return std::vector<GraphId>();
    case AttrKind::SparseTensors:
      return std::vector<std::shared_ptr<const SparseTensor>>();
    case AttrKind::Types:
      return std::vector<Type>();
    default:
      return std::monostate{};
  }
}

bool is_single_message(AttrKind kind) {
  return kind == AttrKind::Tensor || kind == AttrKind::Graph || kind == AttrKind::SparseTensor ||
         kind == AttrKind::Type;
}

struct Encoder {
  FieldMerger& merger;
  const AttrWriter& writer;
  Writer& out() const { return merger.out(); }

  bool value_left_out(bool is_zero) const { return is_zero && merger.marked(kMarkNoValue); }

  void operator()(std::monostate) const {}
  void operator()(const AttrRef&) const {}
  void operator()(float v) const {
    merger.before(fa::f);
    if (!value_left_out(v == 0 && !std::signbit(v))) out().f32(fa::f, v);
  }
  void operator()(int64_t v) const {
    merger.before(fa::i);
    if (!value_left_out(v == 0)) out().i64(fa::i, v);
  }
  void operator()(const std::string& v) const {
    merger.before(fa::s);
    if (!value_left_out(v.empty())) out().text(fa::s, v);
  }
  void operator()(const TensorPtr& v) const { tensor(fa::t, v); }
  void operator()(GraphId g) const { graph(fa::g, g); }
  void operator()(const std::vector<float>& v) const {
    if (keep_spelling(fa::floats, v, wire::read_floats)) return;
    for (const float x : v) out().f32(fa::floats, x);
  }
  void operator()(const std::vector<int64_t>& v) const {
    if (keep_spelling(fa::ints, v, wire::read_int64s)) return;
    for (const int64_t x : v) out().i64(fa::ints, x);
  }
  void operator()(const std::vector<std::string>& v) const {
    merger.before(fa::strings);
    for (const std::string& x : v) out().text(fa::strings, x);
  }
  void operator()(const std::vector<TensorPtr>& v) const {
    for (const TensorPtr& x : v) tensor(fa::tensors, x);
  }
  void operator()(const std::vector<GraphId>& v) const {
    for (const GraphId x : v) graph(fa::graphs, x);
  }
  void operator()(const std::shared_ptr<const SparseTensor>& v) const { sparse(fa::sparse_tensor, v); }
  void operator()(const std::vector<std::shared_ptr<const SparseTensor>>& v) const {
    for (const auto& x : v) sparse(fa::sparse_tensors, x);
  }
  void operator()(const Type& v) const {
    if (v.known()) {
      encode_type(merger, fa::tp, v);
    } else {
      merger.before(fa::tp + 1);  // a type that lathe cannot read is there as it stood
    }
  }
  void operator()(const std::vector<Type>& v) const {
    merger.before(fa::type_protos);
    for (const Type& x : v) out().message(fa::type_protos, [&] { encode_type(out(), x); });
  }

 private:
  void tensor(uint32_t number, const TensorPtr& t) const {
    merger.before(number);
    if (t) out().message(number, [&] { encode_tensor(out(), *t, t->name, writer.placement(*t)); });
  }
  void sparse(uint32_t number, const std::shared_ptr<const SparseTensor>& t) const {
    merger.before(number);
    if (t) out().message(number, [&] { encode_sparse(out(), *t, t->values.name, writer.placement); });
  }
  void graph(uint32_t number, GraphId g) const {
    merger.before(number);
    out().message(number, [&] { writer.graph(g); });
  }
  template <class T, class Read>
  bool keep_spelling(uint32_t number, const std::vector<T>& value, Read read) const {
    const auto records = merger.take(number);
    std::vector<T> spelled;
    for (const Field& f : records) read(f, spelled);
    const bool same =
        spelled.size() == value.size() &&
        (value.empty() || std::memcmp(spelled.data(), value.data(), value.size() * sizeof(T)) == 0);
    if (records.empty() || !same) return false;
    for (const Field& f : records) out().raw(f.whole);
    return true;
  }
};

}  // namespace

Attr decode_attr(Bytes message, const TensorSource& source, const std::function<GraphId()>& subgraph) {
  Header h = read_header(message);
  const uint32_t number = h.ref.param.empty() ? field_of_kind(h.kind) : 0;
  AttrValue value = empty_value(h.kind);
  const Decoder decoder{source, subgraph, h.carried};
  bool found = false;
  Reader reader(message);
  for (Field f; reader.next(f);) {
    if (kind_of_field(f.number) == AttrKind::Undefined) continue;
    if (f.number != number) {
      h.carried.add(f);  // a value beside the one that counts
    } else {
      if (found && is_single_message(h.kind)) fail("attribute has its value twice");
      decoder.add(f, value);
      found = true;
    }
  }
  if (!h.ref.param.empty()) {
    h.ref.kind = h.kind;
    value = std::move(h.ref);
  } else if (!found) {
    if (is_single_message(h.kind)) fail("attribute has a type and no value");
    if (h.kind == AttrKind::Float || h.kind == AttrKind::Int || h.kind == AttrKind::String)
      h.carried.mark(kMarkNoValue);
  }
  h.attr.value = std::move(value);
  if (!h.carried.empty()) h.attr.carried = std::make_shared<const std::string>(h.carried.take());
  return std::move(h.attr);
}

void encode_attr(Writer& out, const Attr& attr, const AttrWriter& writer) {
  FieldMerger merger(out, attr.carried ? std::string_view(*attr.carried) : std::string_view());
  merger.text(fa::name, attr.name);
  const auto number = field_of_kind(kind_of(attr.value));
  const bool after_type = number > fa::type;
  const Encoder encoder{merger, writer};
  if (!after_type) std::visit(encoder, attr.value);
  const AttrKind kind = kind_of(attr.value);
  merger.before(fa::type);
  if (kind != AttrKind::Undefined && !merger.marked(kMarkNoType))
    out.varint(fa::type, static_cast<uint64_t>(kind));
  if (const auto* ref = std::get_if<AttrRef>(&attr.value)) merger.text(fa::ref_attr_name, ref->param);
  if (after_type) std::visit(encoder, attr.value);
  merger.finish();
}

}  // namespace lathe
