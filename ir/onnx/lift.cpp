#include "ir/onnx/lift.h"

#include "ir/base/error.h"
#include "ir/core/walk.h"
#include "ir/onnx/lift/op_body.h"
#include "ir/onnx/lift/op_rule.h"
#include "ir/onnx/lift/opsets.h"
#include "ir/onnx/lift/spelling.h"
#include "ir/onnx/schema.h"

namespace lathe {
namespace {

// Writes the draft into the model and keeps what it takes to go back.
void commit(Model& m, NodeId n, Draft& d, std::string_view file_domain) {
  auto s = std::make_shared<Spelling>();
  s->opset = d.opset;
  s->domain = file_domain;
  s->type = m[n].type;
  s->attrs = m[n].attrs;
  s->attrs.erase(kSince);
  s->slots.resize(m[n].in.size());
  std::vector<ValueId> in;
  for (const Draft::In& i : d.in) {
    const auto slot = static_cast<uint32_t>(in.size());
    if (i.from >= 0) s->slots[static_cast<size_t>(i.from)] = slot;
    if (i.made) {
      const ValueId v = m.add_unnamed_constant(m[n].parent, *i.made);
      s->made.emplace_back(slot, m.constant_ptr(v));
      in.push_back(v);
    } else {
      in.push_back(i.value);
    }
  }
  s->canonical_type = d.type;
  s->canonical_attrs = d.attrs;
  s->canonical_inputs = in.size();
  if (in != m[n].in) m.set_inputs(n, std::move(in));
  if (d.type != m[n].type || m[n].domain == "ai.onnx")
    m.set_op(n, m[n].domain == "ai.onnx" ? "" : m[n].domain, d.type);
  m.set_attrs(n, std::move(d.attrs));
  m.set_spelling(n, std::move(s));
}

// Returns whether the node is canonical now.
bool lift_node(Model& m, NodeId n, int64_t opset, const OpHistory& h) {
  if (opset >= h.below && m[n].domain != "ai.onnx") return true;
  const std::string domain = m[n].domain;
  Draft d(m, n, opset);
  d.attrs.erase(kSince);
  // What the opset does not have but a newer one gives a meaning is taken at its word.
  d.changed = h.first > opset || domain == "ai.onnx";
  for (const NewAttr* a : h.new_attrs)
    if (a->since > opset && d.attrs.has(a->name)) d.changed = true;
  const bool concerned =
      h.rule != nullptr && h.rule->lift != nullptr && h.first <= opset && opset < h.rule->below;
  if (concerned && (!h.rule->lift(d) || d.unusable)) {
    const int since = op_version(domain, m[n].type, opset);
    if (is_canonical(m[n])) m.set_attr(n, kSince, int64_t{since});
    return false;
  }
  // Where nothing had to change, lowering could still not know that it may stay (shapes, say, may be
  // unknown).
  if (d.changed || concerned) commit(m, n, d, domain);
  return true;
}

void lift_graph(Model& m, GraphId g, const Opsets& opsets) {
  for (NodeId n = m[g].first; n; n = m[n].next) {
    for (const Attr& a : m[n].attrs.items())
      if (a.name.starts_with('$')) fail("node '{}': the attribute name '{}' is reserved", m[n].name, a.name);
    if (const OpHistory* h = op_history(plain_domain(m[n].domain), m[n].type))
      lift_node(m, n, opsets.of(m[n].domain), *h);
  }
}

}  // namespace

void lift(Model& m) {
  const Opsets of_model(m.info.opsets, m.info.ir_version);
  for (const GraphId g : nested_graphs(m, m.main())) lift_graph(m, g, of_model);
  for (const Function& f : m.functions) {
    const Opsets own(f.opsets, m.info.ir_version);
    for (const GraphId g : nested_graphs(m, f.body)) lift_graph(m, g, own);
  }
}

void lift_graphs(Model& m, GraphId body, const std::vector<OpsetImport>& imports) {
  const Opsets opsets(imports, m.info.ir_version);
  for (const GraphId g : nested_graphs(m, body)) lift_graph(m, g, opsets);
}

bool lift_marked_node(Model& m, NodeId n) {
  const int64_t since = m[n].attrs.i(kSince, 0);
  const OpHistory* h = op_history(plain_domain(m[n].domain), m[n].type);
  return h != nullptr && lift_node(m, n, since, *h);
}

size_t lift_marked(Model& m) {
  size_t lifted = 0;
  for_each_node(m, [&](NodeId n) {
    if (!is_canonical(m[n]) && lift_marked_node(m, n)) ++lifted;
  });
  return lifted;
}

}  // namespace lathe
