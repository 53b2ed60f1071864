#include "ir/core/model.h"

#include <algorithm>
#include <utility>

namespace lathe {

Model::Model() { main_ = add_graph(); }

GraphId Model::add_graph(NodeId owner, std::string name) {
  const GraphId g{static_cast<uint32_t>(graphs_.size())};
  graphs_.emplace_back();
  const NodeId params{static_cast<uint32_t>(nodes_.size())}, ret{params.v + 1};
  nodes_.emplace_back();
  nodes_.emplace_back();
  at(params).type = "$params";
  at(ret).type = "$return";
  at(params).parent = at(ret).parent = g;
  Graph& graph = graphs_.back();
  graph.owner = owner;
  graph.params = params;
  graph.ret = ret;
  graph.name = std::move(name);
  ++edits_;
  return g;
}

ValueId Model::new_value(NodeId def, size_t slot, GraphId g, std::string name) {
  const ValueId v{static_cast<uint32_t>(values_.size())};
  Value& value = values_.emplace_back();
  value.def = def;
  value.slot = static_cast<uint32_t>(slot);
  value.graph = g;
  value.name = std::move(name);
  if (names_ready_ && !value.name.empty()) names_.insert(value.name);
  ++edits_;
  return v;
}

ValueId Model::add_input(GraphId g, Port port) {
  const NodeId params = graphs_[g.v].params;
  const ValueId v = new_value(params, at(params).out.size(), g, port.name);
  at(v).type = port.type;
  at(params).out.push_back(v);
  graphs_[g.v].inputs.push_back(std::move(port));
  return v;
}

void Model::add_output(GraphId g, ValueId v, Port port) {
  const NodeId ret = graphs_[g.v].ret;
  at(ret).in.push_back(v);
  add_use(v, ret, at(ret).in.size() - 1);
  graphs_[g.v].outputs.push_back(std::move(port));
  ++edits_;
}

ValueId Model::add_initializer(GraphId g, Tensor tensor, std::string name) {
  if (name.empty()) name = unique_name(tensor.name.empty() ? "const" : tensor.name);
  const ValueId v = new_value({}, 0, g, std::move(name));
  Shape shape(tensor.dims.begin(), tensor.dims.end());
  at(v).type = Type::tensor(tensor.dtype, std::move(shape));
  at(v).constant = std::make_shared<const Tensor>(std::move(tensor));
  graphs_[g.v].initializers.push_back(v);
  return v;
}

ValueId Model::add_unnamed_constant(GraphId g, Tensor tensor) {
  const ValueId v = new_value({}, 0, g, {});
  at(v).type = Type::tensor(tensor.dtype, Shape(tensor.dims.begin(), tensor.dims.end()));
  at(v).constant = std::make_shared<const Tensor>(std::move(tensor));
  graphs_[g.v].initializers.push_back(v);
  return v;
}

ValueId Model::add_sparse_initializer(GraphId g, SparseTensor tensor, std::string name) {
  const ValueId v = new_value({}, 0, g, std::move(name));
  at(v).type = Type::tensor(tensor.values.dtype, Shape(tensor.dims.begin(), tensor.dims.end()));
  at(v).sparse = std::make_shared<const SparseTensor>(std::move(tensor));
  graphs_[g.v].sparse_initializers.push_back(v);
  return v;
}

void Model::set_default(ValueId input, Tensor tensor) {
  const GraphId g = at(input).graph;
  at(input).constant = std::make_shared<const Tensor>(std::move(tensor));
  graphs_[g.v].initializers.push_back(input);
  ++edits_;
}

NodeId Model::create(std::string domain, std::string type, std::vector<ValueId> in, Attrs attrs,
                     size_t outputs, std::string name, std::vector<std::string> output_names) {
  const NodeId n{static_cast<uint32_t>(nodes_.size())};
  nodes_.emplace_back();
  {
    Node& node = nodes_.back();
    node.domain = std::move(domain);
    node.type = std::move(type);
    node.name = std::move(name);
    node.in = std::move(in);
    node.attrs = std::move(attrs);
    if (names_ready_ && !node.name.empty()) names_.insert(node.name);
  }
  for (size_t i = 0; i < nodes_[n.v].in.size(); ++i) add_use(nodes_[n.v].in[i], n, i);
  for (size_t i = 0; i < outputs; ++i) {
    const bool named = i < output_names.size();
    const ValueId v = new_value(n, i, {}, named ? std::move(output_names[i]) : std::string());
    nodes_[n.v].out.push_back(v);
  }
  for (const GraphId g : subgraphs(n)) graphs_[g.v].owner = n;
  ++edits_;
  return n;
}

void Model::add_use(ValueId v, NodeId n, size_t slot) {
  if (v) at(v).uses.push_back({n, static_cast<uint32_t>(slot)});
}

void Model::drop_use(ValueId v, NodeId n, size_t slot) {
  if (!v) return;
  auto& uses = at(v).uses;
  const auto it = std::find(uses.begin(), uses.end(), Use{n, static_cast<uint32_t>(slot)});
  if (it != uses.end()) uses.erase(it);  // keeps the order: deterministic walks over uses
}

void Model::unlink(NodeId n) {
  Node& node = at(n);
  if (!node.parent) return;
  Graph& g = graphs_[node.parent.v];
  (node.prev ? at(node.prev).next : g.first) = node.next;
  (node.next ? at(node.next).prev : g.last) = node.prev;
  node.parent = {};
}

void Model::place(NodeId n, GraphId g, NodeId before) {
  unlink(n);
  Node& node = at(n);
  Graph& graph = graphs_[g.v];
  node.parent = g;
  node.next = before;
  node.prev = before ? at(before).prev : graph.last;
  (node.prev ? at(node.prev).next : graph.first) = n;
  (before ? at(before).prev : graph.last) = n;
  for (const ValueId v : node.out)
    if (v) at(v).graph = g;
  ++edits_;
}

void Model::set_input(NodeId n, size_t slot, ValueId v) {
  auto& in = at(n).in;
  if (slot >= in.size()) in.resize(slot + 1);
  drop_use(in[slot], n, slot);
  in[slot] = v;
  add_use(v, n, slot);
  ++edits_;
}

void Model::truncate_inputs(NodeId n, size_t count) {
  auto& in = at(n).in;
  while (in.size() > count) {
    drop_use(in.back(), n, in.size() - 1);
    in.pop_back();
  }
  ++edits_;
}

void Model::replace_uses(ValueId from, ValueId to) {
  if (from == to) return;
  const std::vector<Use> uses = std::exchange(at(from).uses, {});
  for (const Use& u : uses) {
    at(u.node).in[u.slot] = to;
    add_use(to, u.node, u.slot);
  }
  ++edits_;
}

void Model::erase(NodeId n) {
  for (const ValueId v : at(n).out) {
    if (!v) continue;
    if (!at(v).uses.empty()) throw std::logic_error("erase: output '" + at(v).name + "' is still used");
    at(v).erased = true;
    at(v).def = {};
    at(v).constant = nullptr;
  }
  for (const GraphId g : subgraphs(n)) {
    truncate_inputs(graphs_[g.v].ret, 0);
    graphs_[g.v].outputs.clear();
    for (NodeId inner = graphs_[g.v].last; inner; inner = graphs_[g.v].last) erase(inner);
    for (const ValueId v : graphs_[g.v].initializers) at(v).erased = true;
    graphs_[g.v].initializers.clear();
    graphs_[g.v].owner = {};
  }
  truncate_inputs(n, 0);
  unlink(n);
  Node& node = at(n);
  node.erased = true;
  node.attrs = {};
  node.notes = nullptr;
  node.spelling = nullptr;
  ++edits_;
}

void Model::set_type(ValueId v, Type type) {
  at(v).type = std::move(type);
  ++edits_;
}
void Model::set_attr(NodeId n, std::string_view name, AttrValue value) {
  at(n).attrs.set(name, std::move(value));
  ++edits_;
}
void Model::erase_attr(NodeId n, std::string_view name) {
  at(n).attrs.erase(name);
  ++edits_;
}
void Model::set_op(NodeId n, std::string domain, std::string type) {
  at(n).domain = std::move(domain);
  at(n).type = std::move(type);
  ++edits_;
}
void Model::set_overload(NodeId n, std::string overload) {
  at(n).overload = std::move(overload);
  ++edits_;
}
void Model::set_name(NodeId n, std::string name) {
  if (names_ready_) names_.insert(name);
  at(n).name = std::move(name);
  ++edits_;
}
void Model::set_name(ValueId v, std::string name) {
  if (names_ready_) names_.insert(name);
  at(v).name = std::move(name);
  ++edits_;
}
void Model::set_notes(NodeId n, NotesPtr notes) {
  at(n).notes = std::move(notes);
  ++edits_;
}

void Model::set_attrs(NodeId n, Attrs attrs) {
  at(n).attrs = std::move(attrs);
  ++edits_;
}

void Model::set_inputs(NodeId n, std::vector<ValueId> in) {
  for (size_t i = 0; i < at(n).in.size(); ++i) drop_use(at(n).in[i], n, i);
  at(n).in = std::move(in);
  for (size_t i = 0; i < at(n).in.size(); ++i) add_use(at(n).in[i], n, i);
  ++edits_;
}

void Model::set_spelling(NodeId n, SpellingPtr spelling) { at(n).spelling = std::move(spelling); }

void Model::set_constant(ValueId v, TensorPtr t) {
  at(v).constant = std::move(t);
  ++edits_;
}

void Model::add_outputs(NodeId n, size_t count) {
  at(n).out.resize(at(n).out.size() + count);
  ++edits_;
}

void Model::drop_output(NodeId n, size_t slot) {
  auto& out = at(n).out;
  if (slot >= out.size() || !out[slot]) return;
  if (!at(out[slot]).uses.empty())
    throw std::logic_error("drop_output: '" + at(out[slot]).name + "' is used");
  at(out[slot]).erased = true;
  at(out[slot]).def = {};
  out[slot] = {};
  ++edits_;
}

ValueId Model::make_output(NodeId n, size_t slot, std::string name) {
  if (at(n).out.size() <= slot) at(n).out.resize(slot + 1);
  if (at(n).out[slot]) return at(n).out[slot];
  const ValueId v = new_value(n, slot, at(n).parent, std::move(name));
  at(n).out[slot] = v;
  return v;
}

void Model::erase_initializer(ValueId v) {
  if (!at(v).uses.empty()) throw std::logic_error("erase_initializer: '" + at(v).name + "' is still used");
  Graph& g = graphs_[at(v).graph.v];
  std::erase(g.initializers, v);
  std::erase(g.sparse_initializers, v);
  at(v).erased = true;
  at(v).constant = nullptr;
  at(v).sparse = nullptr;
  ++edits_;
}

void Model::erase_initializers(GraphId g, const std::function<bool(ValueId)>& drop) {
  std::erase_if(graphs_[g.v].initializers, [&](ValueId v) {
    if (!drop(v)) return false;
    if (!at(v).uses.empty()) throw std::logic_error("erase_initializers: '" + at(v).name + "' is still used");
    at(v).constant = nullptr;
    if (!at(v).def) at(v).erased = true;
    return true;
  });
  ++edits_;
}

void Model::erase_graph_outputs(GraphId g, const std::vector<size_t>& slots) {
  const NodeId ret = graphs_[g.v].ret;
  auto in = at(ret).in;
  auto ports = graphs_[g.v].outputs;
  truncate_inputs(ret, 0);
  graphs_[g.v].outputs.clear();
  for (size_t i = 0; i < in.size(); ++i)
    if (std::find(slots.begin(), slots.end(), i) == slots.end()) add_output(g, in[i], std::move(ports[i]));
}

TensorPtr Model::constant_ptr(ValueId v) const {
  if (!v) return nullptr;
  const Value& value = (*this)[v];
  if (!value.constant) return nullptr;
  // Before IR 4 every initializer had to be listed as an input too, and could not be overridden in practice
  // (onnx docs/IR.md, "Graphs"; onnxruntime treats them as constants).
  if (is_graph_input(v) && info.ir_version >= 4) return nullptr;
  return value.constant;
}

bool Model::is_initializer(ValueId v) const {
  return v && !(*this)[v].def && (*this)[v].constant && !(*this)[v].erased;
}

bool Model::is_graph_input(ValueId v) const {
  const Value& value = (*this)[v];
  return value.def && value.graph && graphs_[value.graph.v].params == value.def;
}

bool Model::is_graph_output(ValueId v) const {
  return std::any_of((*this)[v].uses.begin(), (*this)[v].uses.end(),
                     [&](const Use& u) { return (*this)[u.node].type == "$return"; });
}

bool Model::is_hidden(NodeId n) const { return (*this)[n].type.starts_with('$'); }

std::vector<NodeId> Model::nodes(GraphId g) const {
  std::vector<NodeId> out;
  for (NodeId n = graphs_[g.v].first; n; n = nodes_[n.v].next) out.push_back(n);
  return out;
}

std::vector<GraphId> Model::subgraphs(NodeId n) const {
  std::vector<GraphId> out;
  for (const Attr& a : nodes_[n.v].attrs.items()) {
    if (const auto* g = std::get_if<GraphId>(&a.value)) out.push_back(*g);
    if (const auto* gs = std::get_if<std::vector<GraphId>>(&a.value))
      out.insert(out.end(), gs->begin(), gs->end());
  }
  return out;
}

const Function* Model::function(const Node& call) const {
  for (const Function& f : functions)
    if (f.name == call.type && f.domain == call.domain && f.overload == call.overload) return &f;
  return nullptr;
}

int64_t Model::opset(std::string_view domain) const {
  for (const OpsetImport& o : info.opsets)
    if (o.domain == domain) return o.version;
  return 0;
}

void Model::require_opset(std::string_view domain, int64_t version) {
  for (OpsetImport& o : info.opsets)
    if (o.domain == domain) {
      if (o.version < version) {
        o.version = version;
        ++edits_;
      }
      return;
    }
  info.opsets.push_back({std::string(domain), version});
  ++edits_;
}

bool Model::encloses(GraphId outer, GraphId inner) const {
  for (GraphId g = inner;; g = (*this)[(*this)[g].owner].parent) {
    if (g == outer) return true;
    if (!g || !(*this)[g].owner) return false;
  }
}

void Model::collect_names() {
  for (const Value& v : values_)
    if (!v.erased) names_.insert(v.name);
  for (const Node& n : nodes_)
    if (!n.erased) names_.insert(n.name);
  for (const Graph& g : graphs_) {
    for (const Port& p : g.inputs) names_.insert(p.name);
    for (const Port& p : g.outputs) names_.insert(p.name);
  }
  names_ready_ = true;
}

std::string Model::unique_name(std::string_view base) {
  if (!names_ready_) collect_names();
  std::string name(base);
  if (names_.insert(name).second) return name;
  const auto suffixed = [&](int64_t i) { return name + "_" + std::to_string(i); };
  const auto taken = [&](int64_t i) { return names_.contains(suffixed(i)); };
  // Doubling, then halving between a taken and a free number: asking 20,000 times for one base stays quick.
  int64_t used = 0, free = 1;
  while (taken(free)) used = std::exchange(free, 2 * free);
  while (free - used > 1) {
    const int64_t middle = used + (free - used) / 2;
    (taken(middle) ? used : free) = middle;
  }
  return *names_.insert(suffixed(free)).first;
}

}  // namespace lathe
