// Function bodies of the onnx library's schemas as graphs of the IR.
#include <numeric>
#include <unordered_map>

#include "ir/onnx/attr_proto.h"
#include "ir/onnx/graph_load.h"
#include "ir/onnx/lift.h"
#include "ir/onnx/lift/op_body.h"
#include "ir/onnx/lift/opsets.h"
#include "ir/onnx/onnx_schema.h"
#include "ir/onnx/schema.h"
#include "ir/onnx/type_proto.h"
#include "onnx/onnx_pb.h"

namespace lathe {
namespace {

onnx::TypeProto to_proto(const Type& t) {
  onnx::TypeProto p;
  if (!t.known()) return p;
  wire::Writer out;
  encode_type(out, t);
  if (!p.ParseFromString(out.str())) throw std::logic_error("type does not encode: " + t.str());
  return p;
}

// What body builders ask of a node: which inputs and outputs it has, types, plain attributes.
onnx::NodeProto to_proto(const Node& n) {
  onnx::NodeProto p;
  p.set_op_type(n.type);
  p.set_domain(n.domain);
  for (size_t i = 0; i < n.in.size(); ++i) p.add_input(n.in[i] ? "in" + std::to_string(i) : "");
  for (size_t i = 0; i < n.out.size(); ++i) p.add_output(n.out[i] ? "out" + std::to_string(i) : "");
  for (const Attr& a : n.attrs.items()) {
    wire::Writer out;
    encode_attr(out, a, {[](GraphId) {}, [](const Tensor&) { return nullptr; }});
    if (!p.add_attribute()->ParseFromString(out.str())) fail("attribute '{}' cannot be encoded", a.name);
  }
  return p;
}

// Bodies come from the library, so names resolve and nesting is shallow.
class Builder {
 public:
  Builder(Model& m, const Attrs& bound) : m_(m), bound_(bound) {}

  GraphId function(const onnx::FunctionProto& f, const Node& call) {
    const GraphId g = m_.add_graph();
    scopes_.emplace_back();
    for (size_t i = 0; i < call.in.size(); ++i) {
      const int formal = static_cast<int>(i);
      const std::string name = formal < f.input_size() ? f.input(formal) : "extra" + std::to_string(i);
      const ValueId given = call.in[i];
      const ValueId v = m_.add_input(g, {name, given ? m_[given].type : Type(), nullptr});
      scopes_.back()[name] = given ? v : ValueId{};
    }
    for (int i = static_cast<int>(call.in.size()); i < f.input_size(); ++i) scopes_.back()[f.input(i)] = {};
    for (const onnx::AttributeProto& a : f.attribute_proto())
      if (!bound_.has(a.name())) defaults_.items().push_back(attribute(a));
    for (const onnx::NodeProto& n : f.node()) node(n, g);
    for (int i = 0; i < f.output_size() && i < static_cast<int>(call.out.size()); ++i)
      m_.add_output(g, value(f.output(i)), {f.output(i), {}, nullptr});
    return g;
  }

 private:
  ValueId value(const std::string& name) const {
    if (name.empty()) return {};
    for (auto s = scopes_.rbegin(); s != scopes_.rend(); ++s)
      if (const auto it = s->find(name); it != s->end()) return it->second;
    throw std::logic_error("function body: no value " + name);
  }

  Attr attribute(const onnx::AttributeProto& a) {
    const auto bytes = std::make_shared<const std::string>(a.SerializeAsString());
    int next = 0;
    return decode_attr(std::as_bytes(std::span(*bytes)), {bytes, nullptr},
                       [&] { return subgraph(a.has_g() ? a.g() : a.graphs(next++)); });
  }

  GraphId subgraph(const onnx::GraphProto& p) {
    const GraphId g = m_.add_graph({}, p.name());
    scopes_.emplace_back();
    for (const auto& i : p.input()) scopes_.back()[i.name()] = m_.add_input(g, {i.name(), {}, nullptr});
    for (const auto& t : p.initializer()) {
      onnx::AttributeProto holder;
      holder.set_name("value");
      holder.set_type(onnx::AttributeProto::TENSOR);
      *holder.mutable_t() = t;
      const Attr a = attribute(holder);
      scopes_.back()[t.name()] = m_.add_unnamed_constant(g, *std::get<TensorPtr>(a.value));
    }
    for (const onnx::NodeProto& n : p.node()) node(n, g);
    for (const auto& o : p.output()) m_.add_output(g, value(o.name()), {o.name(), {}, nullptr});
    scopes_.pop_back();
    return g;
  }

  void node(const onnx::NodeProto& p, GraphId g) {
    std::vector<ValueId> in;
    for (const std::string& name : p.input()) in.push_back(value(name));
    while (!in.empty() && !in.back()) in.pop_back();
    Attrs attrs;
    for (const onnx::AttributeProto& a : p.attribute()) {
      if (a.ref_attr_name().empty()) {
        attrs.items().push_back(attribute(a));
      } else if (const AttrValue* v = parameter(a.ref_attr_name())) {
        attrs.set(a.name(), *v);
      }
    }
    std::vector<std::string> names(p.output().begin(), p.output().end());
    const std::string domain(plain_domain(p.domain()));
    const NodeId n = m_.create(domain, p.op_type(), std::move(in), std::move(attrs), names.size(), {}, names);
    m_.place(n, g);
    for (size_t i = 0; i < names.size(); ++i) {
      if (names[i].empty()) {
        m_.drop_output(n, i);
      } else {
        scopes_.back()[names[i]] = m_[n].out[i];
      }
    }
    if (domain.empty() && p.op_type() == "Constant")
      if (const TensorPtr t = constant_of(m_[n])) m_.set_constant(m_[n].out[0], t);
  }

  const AttrValue* parameter(const std::string& name) const {
    const AttrValue* v = bound_.find(name);
    return v ? v : defaults_.find(name);
  }

  Model& m_;
  const Attrs& bound_;
  Attrs defaults_;
  std::vector<std::unordered_map<std::string, ValueId>> scopes_;
};

// The body for the newest opset that the library has one for; false if it has none for these types.
bool find_body(const onnx::OpSchema& schema, const Model& m, const Node& n, onnx::FunctionProto& body) {
  if (schema.HasFunction()) {
    body = *schema.GetFunction();
    return true;
  }
  if (!schema.HasContextDependentFunction()) return false;
  std::vector<onnx::TypeProto> types;
  for (const ValueId v : n.in) types.push_back(v ? to_proto(m[v].type) : onnx::TypeProto());
  const onnx::NodeProto call = to_proto(n);  // the context keeps pointers to its attributes
  const onnx::FunctionBodyBuildContextImpl context(call, types);
  try {
    // Asked for the version that a body was written for, the library does not look into its registry.
    return schema.BuildContextDependentFunction(context, body,
                                                schema.context_dependent_function_opset_versions().back());
  } catch (const std::exception& e) {  // whatever the library says of attributes that make no sense
    fail("{}: {}", n.type, e.what());
  }
}

std::optional<GraphId> lifted_alone(Model& m, NodeId n) {
  const Node node = m[n];
  const GraphId g = m.add_graph();
  std::vector<ValueId> in;
  for (size_t i = 0; i < node.in.size(); ++i) {
    const ValueId v =
        m.add_input(g, {"in" + std::to_string(i), node.in[i] ? m[node.in[i]].type : Type(), nullptr});
    in.push_back(node.in[i] ? v : ValueId{});
  }
  const NodeId copy = m.create(node.domain, node.type, in, node.attrs, node.out.size());
  m.place(copy, g);
  for (size_t i = 0; i < node.out.size(); ++i) {
    if (!node.out[i]) m.drop_output(copy, i);
    m.add_output(g, m[copy].output(i), {"out" + std::to_string(i), {}, nullptr});
  }
  if (lift_marked_node(m, copy)) return g;
  std::vector<size_t> all(node.out.size());
  std::iota(all.begin(), all.end(), size_t{0});
  m.erase_graph_outputs(g, all);
  m.erase(copy);
  return std::nullopt;
}

}  // namespace

std::optional<GraphId> expand_function(Model& m, NodeId n) {
  if (!m.subgraphs(n).empty()) return std::nullopt;
  if (!is_canonical(m[n])) {
    const auto alone = lifted_alone(m, n);
    return alone ? alone : marked_body(m, n);
  }
  const onnx::OpSchema* schema = find_onnx_schema(m[n].domain, m[n].type, 0);
  if (schema == nullptr || schema->Deprecated()) return std::nullopt;
  const Node node = m[n];
  onnx::FunctionProto proto;
  if (!find_body(*schema, m, node, proto)) return std::nullopt;
  Attrs bound = node.attrs;
  for (const auto& [name, a] : find_schema(node.domain, node.type, 0)->attrs)
    if (!bound.has(name) && !std::holds_alternative<std::monostate>(a.otherwise))
      bound.set(name, a.otherwise);
  const GraphId body = Builder(m, bound).function(proto, node);
  std::vector<OpsetImport> imports;
  for (const auto& o : proto.opset_import()) imports.push_back({o.domain(), o.version()});
  lift_graphs(m, body, imports);
  return body;
}

}  // namespace lathe
