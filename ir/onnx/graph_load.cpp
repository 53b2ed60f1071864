#include "ir/onnx/graph_load.h"

#include <unordered_set>

#include "ir/base/error.h"
#include "ir/onnx/attr_proto.h"
#include "ir/onnx/fields.h"
#include "ir/onnx/place.h"
#include "ir/onnx/type_proto.h"

namespace lathe {
namespace {

using wire::Bytes;
using wire::Field;
using wire::Reader;

}  // namespace

TensorPtr constant_of(const Node& node) {
  if (node.attrs.items().size() != 1) return nullptr;
  const AttrValue& v = node.attrs.items()[0].value;
  const auto share = [](Tensor t) { return std::make_shared<const Tensor>(std::move(t)); };
  if (const auto* t = std::get_if<TensorPtr>(&v)) return *t;
  if (const auto* x = std::get_if<float>(&v))
    return share(Tensor::of<float>(DType::F32, {}, std::span(x, 1)));
  if (const auto* x = std::get_if<int64_t>(&v)) return share(Tensor::scalar_i64(*x));
  if (const auto* x = std::get_if<std::string>(&v)) return share(Tensor::of_strings({}, {*x}));
  if (const auto* x = std::get_if<std::vector<int64_t>>(&v)) return share(Tensor::of_i64(*x));
  if (const auto* x = std::get_if<std::vector<float>>(&v))
    return share(Tensor::of<float>(DType::F32, {static_cast<int64_t>(x->size())}, *x));
  if (const auto* x = std::get_if<std::vector<std::string>>(&v))
    return share(Tensor::of_strings({static_cast<int64_t>(x->size())}, *x));
  return nullptr;
}

void GraphLoader::load(const RawGraph& raw, uint32_t slots, GraphId g) {
  values_.assign(slots, {});
  graph(raw, g, 0);
}

void GraphLoader::graph(const RawGraph& raw, GraphId g, int depth) {
  PlaceScope place(trace_, depth == 0 ? "graph" : "subgraph", raw.name);
  m_.edit(g).name = raw.name;
  for (const RawItem& in : raw.inputs) values_[in.slot] = m_.add_input(g, port(in));
  initializers(raw, g);
  if (raw.order.empty()) {
    for (const RawNode& n : raw.nodes) node(raw, n, g, depth);
  } else {
    for (const uint32_t i : raw.order) node(raw, raw.nodes[i], g, depth);
  }
  std::unordered_set<std::string_view> seen;
  for (const RawItem& out : raw.outputs) {
    Port p = port(out);
    if (depth == 0 && !out.body.empty() && !p.type.known() && warn_)
      warn_(fmt::format("output {} has no type", quote(out.name)));
    if (!seen.insert(out.name).second && warn_)
      warn_(fmt::format("output {} is listed twice", quote(out.name)));
    const ValueId v = value(out.slot);
    refine_type(v, p.type);
    m_.add_output(g, v, std::move(p));
  }
  value_info(raw, g);
  annotations(raw, g);
  if (depth > 0 || !raw.is_function) graph_notes(raw, g);
}

void GraphLoader::graph_notes(const RawGraph& raw, GraphId g) {
  for (const Field& f : raw.rest) {
    if (f.number == field::graph::doc_string) {
      notes_.doc = f.text();
      notes_.carried.add_if_empty(f);
    } else if (f.number == field::graph::metadata_props) {
      notes_.metadata.push_back(decode_entry(f.message()));
    } else {
      notes_.carried.add(f);
    }
  }
  m_.edit(g).notes = notes_.take();
}

void GraphLoader::initializers(const RawGraph& raw, GraphId g) {
  for (const RawItem& item : raw.initializers) {
    PlaceScope place(trace_, "initializer", item.name);
    Tensor t = decode_tensor(item.body, source_);
    t.name.clear();  // the value has it
    if (values_[item.slot]) {
      m_.set_default(values_[item.slot], std::move(t));
    } else {
      values_[item.slot] = m_.add_initializer(g, std::move(t), std::string(item.name));
    }
  }
  for (const RawItem& item : raw.sparse_initializers) {
    PlaceScope place(trace_, "sparse initializer", item.name);
    values_[item.slot] =
        m_.add_sparse_initializer(g, decode_sparse(item.body, source_), std::string(item.name));
  }
}

void GraphLoader::node(const RawGraph& raw, const RawNode& n, GraphId g, int depth) {
  PlaceScope place(trace_, "node", n.name, n.type);
  std::string domain, overload;
  Attrs attrs;
  uint32_t child = n.children;
  Reader reader(n.body);
  for (Field f; reader.next(f);) {
    switch (f.number) {
      case field::node::input:
      case field::node::output:
        break;
      case field::node::name:
      case field::node::op_type:
        notes_.carried.add_if_empty(f);
        break;
      case field::node::domain:
        if (f.text() == "ai.onnx") {
          notes_.carried.add(f);
        } else {
          domain = f.text();
          notes_.carried.add_if_empty(f);
        }
        break;
      case field::node::overload:
        overload = f.text();
        notes_.carried.add_if_empty(f);
        break;
      case field::node::doc_string:
        notes_.doc = f.text();
        notes_.carried.add_if_empty(f);
        break;
      case field::node::metadata_props:
        notes_.metadata.push_back(decode_entry(f.message()));
        break;
      case field::node::attribute:
        break;
      default:
        notes_.carried.add(f);
    }
  }
  NotesPtr notes = notes_.take();
  for (Reader again(n.body); !again.at_end();) {  // subgraphs take notes of their own
    Field f;
    again.next(f);
    if (f.number != field::node::attribute) continue;
    Attr a = attribute(f.message(), &raw, &child, depth);
    if (attrs.has(a.name)) fail("attribute {} occurs twice", quote(a.name));
    attrs.items().push_back(std::move(a));
  }
  std::vector<ValueId> in(n.inputs);
  for (uint32_t k = 0; k < n.inputs; ++k) in[k] = value(raw.slots[n.names + k]);
  std::vector<std::string> out_names(n.outputs);
  for (uint32_t k = 0; k < n.outputs; ++k) out_names[k] = raw.names[n.names + n.inputs + k];
  const NodeId id = m_.create(std::move(domain), std::string(n.type), std::move(in), std::move(attrs),
                              n.outputs, std::string(n.name), std::move(out_names));
  m_.place(id, g);
  if (!overload.empty()) m_.set_overload(id, std::move(overload));
  if (notes) m_.set_notes(id, std::move(notes));
  for (uint32_t k = 0; k < n.outputs; ++k) {
    const uint32_t slot = raw.slots[n.names + n.inputs + k];
    if (slot == kNoSlot) {
      m_.drop_output(id, k);
    } else {
      values_[slot] = m_[id].out[k];
    }
  }
  if (m_[id].is("Constant") && n.outputs == 1 && m_[id].out[0]) {
    if (TensorPtr t = constant_of(m_[id])) {
      m_.set_type(m_[id].out[0], Type::tensor(t->dtype, Shape(t->dims.begin(), t->dims.end())));
      m_.set_constant(m_[id].out[0], std::move(t));
    }
  }
}

Attr GraphLoader::attribute(Bytes message, const RawGraph* raw, uint32_t* child, int depth) {
  std::string_view name;
  Reader reader(message);
  for (Field f; reader.next(f);)
    if (f.number == field::attribute::name) name = f.text();
  PlaceScope place(trace_, "attribute", name);
  return decode_attr(message, source_, [&]() -> GraphId {
    if (raw == nullptr) fail("a default value cannot be a graph");
    const GraphId g = m_.add_graph();
    graph(raw->children[(*child)++], g, depth + 1);
    return g;
  });
}

void GraphLoader::refine_type(ValueId v, const Type& declared) {
  if (v && declared.known() && !m_[v].type.known()) m_.set_type(v, declared);
}

Port GraphLoader::port(const RawItem& item) {
  Port p;
  p.name = item.name;
  Reader reader(item.body);
  for (Field f; reader.next(f);) {
    switch (f.number) {
      case field::value_info::name:
        break;
      case field::value_info::type: {
        PlaceScope place(trace_, "value", item.name);
        p.type = decode_type(f, notes_.carried);
        break;
      }
      case field::value_info::doc_string:
        notes_.doc = f.text();
        notes_.carried.add_if_empty(f);
        break;
      case field::value_info::metadata_props:
        notes_.metadata.push_back(decode_entry(f.message()));
        break;
      default:
        notes_.carried.add(f);
    }
  }
  p.notes = notes_.take();
  return p;
}

void GraphLoader::value_info(const RawGraph& raw, GraphId g) {
  m_.edit(g).value_info.reserve(raw.value_info.size());
  for (const RawItem& item : raw.value_info) {
    Port p = port(item);
    const ValueId v = value(item.slot);
    refine_type(v, p.type);
    m_.edit(g).value_info.push_back({v, std::move(p.name), std::move(p.type), std::move(p.notes)});
  }
}

void GraphLoader::annotations(const RawGraph& raw, GraphId g) {
  for (const RawItem& item : raw.annotations) {
    QuantAnnotation a;
    a.value = value(item.slot);
    a.name = item.name;
    CarriedFields carried;
    Reader reader(item.body);
    for (Field f; reader.next(f);) {
      if (f.number == field::annotation::parameters) {
        a.parameters.push_back(decode_entry(f.message()));
      } else if (f.number == field::annotation::tensor_name) {
        carried.add_if_empty(f);
      } else {
        carried.add(f);
      }
    }
    a.carried = carried.take();
    m_.edit(g).quant_annotations.push_back(std::move(a));
  }
}

}  // namespace lathe
