#include "ir/onnx/graph_save.h"

#include "ir/base/error.h"
#include "ir/base/quote.h"
#include "ir/onnx/carried.h"
#include "ir/onnx/fields.h"
#include "ir/onnx/opset_proto.h"
#include "ir/onnx/tensor_proto.h"
#include "ir/onnx/type_proto.h"

namespace lathe {
namespace {

const Notes& notes_of(const NotesPtr& p) {
  static const Notes none;
  return p ? *p : none;
}

// May a value of type `now` still be declared as `declared`? (A pass may have changed its element type or
// shape.)
bool still_holds(const Type& declared, const Type& now) {
  if (!now.known() || !declared.known()) return true;
  if (declared.kind != now.kind || declared.dtype != now.dtype) return false;
  if (!declared.shape || !now.shape) return true;
  if (declared.shape->size() != now.shape->size()) return false;
  for (size_t i = 0; i < declared.shape->size(); ++i) {
    const Dim &a = (*declared.shape)[i], &b = (*now.shape)[i];
    if (a.is_const() && b.is_const() && a.value() != b.value()) return false;
  }
  return true;
}

}  // namespace

ModelEncoder::ModelEncoder(const Model& m, wire::Writer& out, ExternalPlacement placement)
    : m_(m), out_(out), attrs_{[this](GraphId g) { graph(g); }, std::move(placement)} {}

std::string_view ModelEncoder::name(ValueId v) {
  if (!v) return {};
  if (!m_[v].name.empty()) return m_[v].name;
  made_name_ = fmt::format("%{}", v.v);
  return made_name_;
}

void ModelEncoder::model() {
  namespace fm = field::model;
  const ModelInfo& info = m_.info;
  FieldMerger merger(out_, info.carried);
  merger.before(fm::ir_version);
  if (info.ir_version != 0) out_.i64(fm::ir_version, info.ir_version);
  merger.text(fm::producer_name, info.producer_name);
  merger.text(fm::producer_version, info.producer_version);
  merger.text(fm::domain, info.domain);
  if (info.model_version != 0) {
    merger.take(fm::model_version);
    out_.i64(fm::model_version, info.model_version);
  }
  merger.text(fm::doc_string, info.doc);
  merger.before(fm::graph);
  out_.message(fm::graph, [&] { graph(m_.main()); });
  const bool none = merger.marked(kMarkNoOpsets) && info.opsets == std::vector<OpsetImport>{{"", 1}};
  if (!none) encode_opsets(merger, fm::opset_import, info.opsets);
  merger.before(fm::metadata_props);
  encode_entries(out_, fm::metadata_props, info.metadata);
  merger.before(fm::functions);
  for (const Function& f : m_.functions) out_.message(fm::functions, [&] { function(f); });
  merger.finish();
}

void ModelEncoder::graph(GraphId g) {
  namespace fg = field::graph;
  const Graph& graph = m_[g];
  const Notes& notes = notes_of(graph.notes);
  FieldMerger merger(out_, notes.carried);
  merger.before(fg::node);
  nodes(g, fg::node);
  merger.text(fg::name, graph.name);
  merger.before(fg::initializer);
  for (const ValueId v : graph.initializers) {
    const TensorPtr& t = m_[v].constant;
    if (!t) fail("initializer {} has lost its tensor", quote(name(v)));
    out_.message(fg::initializer, [&] { encode_tensor(out_, *t, name(v), attrs_.placement(*t)); });
  }
  merger.text(fg::doc_string, notes.doc);
  merger.before(fg::input);
  for (const Port& p : graph.inputs) port(fg::input, p.name, p.type, p.notes);
  merger.before(fg::output);
  for (const Port& p : graph.outputs) port(fg::output, p.name, p.type, p.notes);
  merger.before(fg::value_info);
  value_info(g, fg::value_info);
  merger.before(fg::quantization_annotation);
  annotations(g);
  merger.before(fg::sparse_initializer);
  for (const ValueId v : graph.sparse_initializers)
    out_.message(fg::sparse_initializer,
                 [&] { encode_sparse(out_, *m_[v].sparse, name(v), attrs_.placement); });
  merger.before(fg::metadata_props);
  encode_entries(out_, fg::metadata_props, notes.metadata);
  merger.finish();
}

void ModelEncoder::nodes(GraphId g, uint32_t number) {
  for (NodeId n = m_[g].first; n; n = m_[n].next) out_.message(number, [&] { node(n); });
}

void ModelEncoder::node(NodeId id) {
  namespace fn = field::node;
  const Node& n = m_[id];
  const Notes& notes = notes_of(n.notes);
  FieldMerger merger(out_, notes.carried);
  merger.before(fn::input);
  for (const ValueId v : n.in) out_.text(fn::input, name(v));
  merger.before(fn::output);
  for (const ValueId v : n.out) out_.text(fn::output, name(v));
  merger.text(fn::name, n.name);
  merger.text(fn::op_type, n.type);
  merger.before(fn::attribute);
  for (const Attr& a : n.attrs.items()) out_.message(fn::attribute, [&] { encode_attr(out_, a, attrs_); });
  merger.text(fn::doc_string, notes.doc);
  merger.text(fn::domain, n.domain);
  merger.text(fn::overload, n.overload);
  merger.before(fn::metadata_props);
  encode_entries(out_, fn::metadata_props, notes.metadata);
  merger.finish();
}

void ModelEncoder::function(const Function& f) {
  namespace ff = field::function;
  const Graph& body = m_[f.body];
  const Notes& notes = notes_of(f.notes);
  FieldMerger merger(out_, notes.carried);
  merger.text(ff::name, f.name);
  merger.before(ff::input);
  for (const Port& p : body.inputs) out_.text(ff::input, p.name);
  merger.before(ff::output);
  for (const Port& p : body.outputs) out_.text(ff::output, p.name);
  merger.before(ff::attribute);
  for (const std::string& a : f.attributes) out_.text(ff::attribute, a);
  merger.before(ff::node);
  nodes(f.body, ff::node);
  merger.text(ff::doc_string, notes.doc);
  encode_opsets(merger, ff::opset_import, f.opsets);
  merger.text(ff::domain, f.domain);
  merger.before(ff::attribute_proto);
  for (const Attr& a : f.defaults.items())
    out_.message(ff::attribute_proto, [&] { encode_attr(out_, a, attrs_); });
  merger.before(ff::value_info);
  value_info(f.body, ff::value_info);
  merger.text(ff::overload, f.overload);
  merger.before(ff::metadata_props);
  encode_entries(out_, ff::metadata_props, notes.metadata);
  merger.finish();
}

void ModelEncoder::port(uint32_t number, std::string_view port_name, const Type& type,
                        const NotesPtr& notes) {
  namespace fv = field::value_info;
  const Notes& n = notes_of(notes);
  out_.message(number, [&] {
    FieldMerger merger(out_, n.carried);
    merger.text(fv::name, port_name);
    encode_type(merger, fv::type, type);
    merger.text(fv::doc_string, n.doc);
    merger.before(fv::metadata_props);
    encode_entries(out_, fv::metadata_props, n.metadata);
    merger.finish();
  });
}

void ModelEncoder::value_info(GraphId g, uint32_t number) {
  for (const ValueInfo& info : m_[g].value_info) {
    if (info.value && m_[info.value].erased) continue;
    const bool changed = info.value && !still_holds(info.type, m_[info.value].type);
    port(number, info.value ? name(info.value) : std::string_view(info.name),
         changed ? m_[info.value].type : info.type, info.notes);
  }
}

void ModelEncoder::annotations(GraphId g) {
  namespace fa = field::annotation;
  for (const QuantAnnotation& a : m_[g].quant_annotations) {
    if (a.value && m_[a.value].erased) continue;
    out_.message(field::graph::quantization_annotation, [&] {
      FieldMerger merger(out_, a.carried);
      merger.text(fa::tensor_name, a.value ? name(a.value) : std::string_view(a.name));
      merger.before(fa::parameters);
      encode_entries(out_, fa::parameters, a.parameters);
      merger.finish();
    });
  }
}

}  // namespace lathe
