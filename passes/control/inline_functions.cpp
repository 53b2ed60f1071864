// Calls of model-local functions become the function's nodes, in subgraphs too. The body is copied as it is,
// with the call's attributes bound, so there is nothing to run.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "ir/core/walk.h"
#include "passes/all_passes.h"
#include "passes/control/clone.h"

namespace lathe {
namespace {

Attrs bound_attributes(const Function& f, const Attrs& given) {
  Attrs out = given;
  for (const Attr& a : f.defaults.items())
    if (!out.has(a.name)) out.set(a.name, AttrValue(a.value));
  return out;
}

// How many nodes a call of each function is, with all calls inside spelled out. Functions that (through
// others) call themselves, which ONNX forbids, are not in it.
std::map<GraphId, int64_t> expanded_sizes(const Model& m) {
  constexpr int64_t kTooMany = int64_t{1} << 40;
  struct Body {
    int64_t nodes = 0;
    std::map<GraphId, int64_t> calls;
  };
  std::map<GraphId, Body> left;
  for (const Function& f : m.functions) {
    Body& body = left[f.body];
    for (const GraphId g : nested_graphs(m, f.body))
      for (NodeId n = m[g].first; n; n = m[n].next) {
        ++body.nodes;
        if (const Function* callee = m.function(m[n])) ++body.calls[callee->body];
      }
  }
  // Functions whose callees are all known become known, again and again; what is left calls into a cycle.
  std::map<GraphId, int64_t> known;
  for (bool changed = true; changed;) {
    changed = false;
    for (auto it = left.begin(); it != left.end();) {
      const auto& calls = it->second.calls;
      if (!std::all_of(calls.begin(), calls.end(), [&](const auto& c) { return known.contains(c.first); })) {
        ++it;
        continue;
      }
      int64_t size = it->second.nodes;
      for (const auto& [callee, times] : calls) size = std::min(kTooMany, size + times * known.at(callee));
      known[it->first] = size;
      it = left.erase(it);
      changed = true;
    }
  }
  return known;
}

// An output that only passes on an input which the call leaves out: there is no value to stand for it.
bool passes_on_nothing(const Model& m, NodeId call, const Function& f) {
  const std::vector<ValueId> params = m.inputs(f.body), results = m.outputs(f.body);
  for (size_t i = 0; i < results.size() && i < m[call].out.size(); ++i)
    for (size_t k = 0; k < params.size(); ++k)
      if (m[call].out[i] && (!results[i] || (results[i] == params[k] && !m[call].input(k)))) return true;
  return m[call].out.size() > results.size();
}

void inline_call(Model& m, NodeId call, const Function& f) {
  const Attrs bound = bound_attributes(f, m[call].attrs);
  std::unordered_map<ValueId, ValueId> map;
  const std::vector<ValueId> params = m.inputs(f.body);
  for (size_t i = 0; i < params.size(); ++i) map[params[i]] = m[call].input(i);
  const std::string prefix = m[call].name.empty() ? f.name + "/" : m[call].name + "/";
  const std::vector<ValueId> results = clone_graph(
      m, f.body, {.into = m[call].parent, .before = call, .prefix = prefix, .bound = &bound}, map);
  const std::vector<ValueId> out = m[call].out;
  std::vector<std::pair<ValueId, std::string>> names;
  for (size_t i = 0; i < out.size() && i < results.size(); ++i) {
    if (!out[i]) continue;
    const ValueId to = results[i];
    if (m[out[i]].type.known()) m.set_type(to, Type(m[out[i]].type));
    if (m[to].def && !m.is_hidden(m[to].def) && m[to].graph == m[call].parent)
      names.emplace_back(to, m[out[i]].name);
    m.replace_uses(out[i], to);
  }
  m.erase(call);
  for (const auto& [v, name] : names) m.set_name(v, name);
}

void run(PassContext& ctx, int64_t max_nodes) {
  Model& m = ctx.model;
  const std::map<GraphId, int64_t> sizes = expanded_sizes(m);
  // Calls may be nested in what was copied: those are looked at again.
  std::vector<GraphId> todo = nested_graphs(m, m.main());
  for (size_t i = 0; i < todo.size(); ++i)
    for (NodeId n = m[todo[i]].first; n;) {
      const Function* f = m.function(m[n]);
      if (f == nullptr) {
        n = m[n].next;
        continue;
      }
      const auto size = sizes.find(f->body);
      if (size == sizes.end() || size->second > max_nodes || passes_on_nothing(m, n, *f)) {
        ctx.missed(
            "inline", n,
            size == sizes.end() ? fmt::format("function '{}' calls itself", f->name)
            : size->second > max_nodes
                ? fmt::format("function '{}' is {} nodes, {} are allowed", f->name, size->second, max_nodes)
                : fmt::format("function '{}' has an output without a value", f->name));
        n = m[n].next;
        continue;
      }
      const NodeId before = m[n].prev;
      const size_t capacity = m.node_capacity(), graphs = m.graph_capacity();
      if (!ctx.spend("inline", node_label(m, n), fmt::format("'{}' in line", f->name))) return;
      inline_call(m, n, *f);
      max_nodes -= static_cast<int64_t>(m.node_capacity() - capacity);
      for (size_t g = graphs; g < m.graph_capacity(); ++g) todo.push_back(GraphId{static_cast<uint32_t>(g)});
      n = before ? m[before].next : m[todo[i]].first;  // what was copied may call as well
    }
}

}  // namespace

PassDef inline_functions() {
  return {.name = "inline",
          .group = "control",
          .summary = "Replace calls of model-local functions by their bodies",
          .options = {{"max-nodes", "copy at most so many nodes", "100000"}},
          .run = [](PassContext& ctx, const PassOptions& o) { run(ctx, o.integer("max-nodes")); }};
}

}  // namespace lathe
