#include <algorithm>
#include <limits>

#include "ir/core/walk.h"
#include "ir/onnx/lift.h"
#include "ir/onnx/lift/op_rule.h"
#include "ir/onnx/lift/opsets.h"
#include "ir/onnx/lift/spelling.h"
#include "ir/onnx/schema.h"

namespace lathe {
namespace {

std::string label(const Model& m, const Node& n) {
  return n.name.empty() && n.output(0) ? m[n.output(0)].name : n.name;
}

// As the file had it, inputs where they are now.
void respell(Model& m, NodeId n, const Spelling& s) {
  std::vector<ValueId> in;
  for (const uint32_t slot : s.slots) in.push_back(m[n].in[slot]);
  if (in != m[n].in) m.set_inputs(n, std::move(in));
  if (s.type != m[n].type || s.domain != m[n].domain) m.set_op(n, s.domain, s.type);
  m.set_attrs(n, s.attrs);
}

// The file's order first.
Attrs in_order_of(const Attrs& model, const Attrs& attrs) {
  Attrs out;
  for (const Attr& a : model.items())
    if (const AttrValue* v = attrs.find(a.name)) out.items().push_back({a.name, *v, a.carried});
  for (const Attr& a : attrs.items())
    if (!model.has(a.name)) out.items().push_back(a);
  return out;
}

void lower_canonical(Model& m, NodeId n, int64_t opset, const OpHistory& h) {
  Draft d(m, n, opset);
  for (const NewAttr* a : h.new_attrs) {
    const AttrValue* v = d.attrs.find(a->name);
    if (v == nullptr || a->since <= opset) continue;
    if (!same_value(*v, a->otherwise)) d.needs(a->since);
    d.drop(a->name);
  }
  if (h.rule != nullptr && h.rule->lower != nullptr && opset < h.rule->below) h.rule->lower(d);
  const int first = first_version(m[n].domain, d.type);
  if (opset < first) {
    fail("node '{}': {} needs opset {}, the model has {}: use --opset={}", label(m, m[n]), d.type, first,
         opset, first);
  }
  if (!d.changed) return;
  std::vector<ValueId> in;
  for (const Draft::In& i : d.in) in.push_back(i.value);
  if (in != m[n].in) m.set_inputs(n, std::move(in));
  if (d.type != m[n].type) m.set_op(n, m[n].domain, d.type);
  m.set_attrs(n, m[n].spelling ? in_order_of(m[n].spelling->attrs, d.attrs) : std::move(d.attrs));
}

void lower_node(Model& m, NodeId n, int64_t opset);

// Puts the nodes of a body in the place of n.
void inline_body(Model& m, NodeId n, GraphId body) {
  const GraphId g = m[n].parent;
  const std::vector<ValueId> inputs = m.inputs(body), outputs = m.outputs(body);
  for (size_t i = 0; i < inputs.size(); ++i)
    if (m[n].in[i]) m.replace_uses(inputs[i], m[n].in[i]);
  const std::vector<ValueId> constants = m[body].initializers;
  for (const ValueId v : constants) m.replace_uses(v, m.add_unnamed_constant(g, *m.constant(v)));
  for (const NodeId inner : m.nodes(body)) m.place(inner, g, n);
  std::vector<size_t> all;
  for (size_t i = 0; i < outputs.size(); ++i) all.push_back(i);
  m.erase_graph_outputs(body, all);
  for (size_t i = 0; i < outputs.size(); ++i) {
    const ValueId old = m[n].output(i);
    if (!old) continue;
    m.replace_uses(old, outputs[i]);
    m.set_name(outputs[i], m[old].name);
    if (!m[outputs[i]].type.known()) m.set_type(outputs[i], m[old].type);
  }
  m.erase(n);
}

// In an opset that gives the op another meaning, a body of canonical ops stands for the node.
void lower_marked(Model& m, NodeId n, int64_t opset) {
  const int64_t since = m[n].attrs.i(kSince, 0);
  if (op_version(m[n].domain, m[n].type, opset) != since) {
    if (const auto body = m.subgraphs(n).empty() ? expand_function(m, n) : std::nullopt) {
      const std::vector<NodeId> nodes = m.nodes(*body);
      inline_body(m, n, *body);
      for (const NodeId inner : nodes) lower_node(m, inner, opset);
      return;
    }
    fail("node '{}': {} in the meaning of opset {} has no equal in opset {}: keep the model's opset",
         label(m, m[n]), m[n].type, since, opset);
  }
  m.erase_attr(n, kSince);
}

void lower_node(Model& m, NodeId n, int64_t opset) {
  if (!is_canonical(m[n])) return lower_marked(m, n, opset);
  if (const SpellingPtr s = m[n].spelling) {
    const bool in_force = op_version(s->domain, s->type, opset) == op_version(s->domain, s->type, s->opset);
    if (in_force && is_untouched(m, m[n], *s)) {
      respell(m, n, *s);
      return;
    }
  }
  const OpHistory* h = op_history(plain_domain(m[n].domain), m[n].type);
  if (h != nullptr && opset < h->below) lower_canonical(m, n, opset, *h);
}

// Constants that only the canonical form had are gone or, if a pass put them to other use, get a name.
void settle_constants(Model& m, GraphId g) {
  const auto unnamed = [&](ValueId v) { return m[v].name.empty() && !m[v].def; };
  m.erase_initializers(g, [&](ValueId v) { return unnamed(v) && m[v].uses.empty(); });
  const std::vector<ValueId> left = m[g].initializers;
  for (const ValueId v : left)
    if (unnamed(v)) m.set_name(v, m.unique_name("constant"));
}

// A function has no place for initializers.
void initializers_to_nodes(Model& m, GraphId body) {
  const std::vector<ValueId> all = m[body].initializers;
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    if (m[*it].def) continue;
    Attrs attrs;
    attrs.set("value", m.constant_ptr(*it));
    const std::string name = m[*it].name;
    const NodeId n = m.create("", "Constant", {}, std::move(attrs), 1, name, {name});
    m.place(n, body, m[body].first);
    m.set_type(m[n].out[0], m[*it].type);
    m.replace_uses(*it, m[n].out[0]);
  }
  m.erase_initializers(body, [&](ValueId v) { return !m[v].def; });
}

void lower_graph(Model& m, GraphId g, const Opsets& opsets) {
  for (const NodeId n : m.nodes(g)) lower_node(m, n, opsets.of(m[n].domain));
  for (NodeId n = m[g].first; n; n = m[n].next) m.set_spelling(n, nullptr);
}

}  // namespace

void lower(Model& m) {
  const Opsets of_model(m.info.opsets, m.info.ir_version);
  const std::vector<GraphId> main = nested_graphs(m, m.main());
  for (const GraphId g : main) lower_graph(m, g, of_model);
  for (const GraphId g : main) settle_constants(m, g);
  for (const Function& f : m.functions) {
    const Opsets own(f.opsets, m.info.ir_version);
    const std::vector<GraphId> graphs = nested_graphs(m, f.body);
    for (const GraphId g : graphs) lower_graph(m, g, own);
    for (const GraphId g : graphs) settle_constants(m, g);
    initializers_to_nodes(m, f.body);
  }
}

}  // namespace lathe
