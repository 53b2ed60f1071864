#include "ir/core/structural_hash.h"

#include "ir/base/hash.h"
#include "ir/core/walk.h"

namespace lathe {
namespace {

uint64_t hash_identity(const Tensor& t) {
  uint64_t h = hash_combine(static_cast<uint64_t>(t.dtype), reinterpret_cast<uintptr_t>(t.bytes().data()));
  for (const int64_t d : t.dims) h = hash_combine(h, static_cast<uint64_t>(d));
  if (t.dtype == DType::String) h = hash_combine(h, content_hash(t));
  return h;
}

uint64_t hash_attr(const Attr& a) {
  uint64_t h = hash_string(a.name);
  if (const auto* t = std::get_if<TensorPtr>(&a.value)) return hash_combine(h, *t ? hash_identity(**t) : 0);
  if (const auto* g = std::get_if<GraphId>(&a.value)) return hash_combine(h, g->v);
  return hash_combine(h, hash_value(a.value));
}

// Like tensors, notes are immutable once shared: their address is their identity within a process.
uint64_t hash_notes(const NotesPtr& notes) { return reinterpret_cast<uintptr_t>(notes.get()); }

}  // namespace

uint64_t structural_hash(const Model& m) {
  uint64_t h = m.functions.size();
  const auto add = [&](uint64_t x) { h = hash_combine(h, x); };
  add(hash_string(m.info.doc, m.info.metadata.size()));
  for (const OpsetImport& o : m.info.opsets) add(hash_string(o.domain, static_cast<uint64_t>(o.version)));
  for (const Function& f : m.functions) {
    add(hash_string(f.name, hash_string(f.domain)));
    add(hash_notes(f.notes));
  }
  for (const GraphId g : all_graphs(m)) {
    const Graph& graph = m[g];
    add(g.v);
    add(hash_notes(graph.notes));
    for (const auto* ports : {&graph.inputs, &graph.outputs})
      for (const Port& p : *ports) {
        add(hash_combine(hash_string(p.name), hash_notes(p.notes)));
        add(hash_string(p.type.str()));
      }
    for (const ValueInfo& v : graph.value_info) add(hash_notes(v.notes));
    for (const ValueId v : graph.initializers)
      add(hash_combine(v.v, m[v].constant ? hash_identity(*m[v].constant) : 0));
    for (NodeId n = graph.first; n; n = m[n].next) {
      const Node& node = m[n];
      add(n.v);
      add(hash_string(node.type, hash_string(node.domain)));
      add(hash_string(node.name, hash_notes(node.notes)));
      for (const ValueId v : node.in) add(v.v);
      for (const ValueId v : node.out) add(v.v);
      for (const Attr& a : node.attrs.items()) add(hash_attr(a));
    }
    for (const ValueId v : m[graph.ret].in) add(v.v);
  }
  return h;
}

}  // namespace lathe
