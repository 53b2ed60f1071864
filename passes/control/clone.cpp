#include "passes/control/clone.h"

#include <memory>
#include <span>

namespace lathe {
namespace {

// The tensor of a Constant node, from whichever attribute holds it; null for sparse ones.
TensorPtr constant_of(const Node& n) {
  const auto shared = [](Tensor t) { return std::make_shared<const Tensor>(std::move(t)); };
  if (TensorPtr t = n.attrs.tensor("value")) return t;
  if (n.attrs.has("value_float")) {
    const float x = n.attrs.f("value_float", 0);
    return shared(Tensor::of<float>(DType::F32, {}, std::span(&x, 1)));
  }
  if (n.attrs.has("value_int")) return shared(Tensor::scalar_i64(n.attrs.i("value_int", 0)));
  if (n.attrs.has("value_floats")) {
    const std::vector<float> x = n.attrs.floats("value_floats");
    return shared(Tensor::of<float>(DType::F32, {static_cast<int64_t>(x.size())}, x));
  }
  if (n.attrs.has("value_ints")) return shared(Tensor::of_i64(n.attrs.ints("value_ints")));
  if (n.attrs.has("value_string")) return shared(Tensor::of_strings({}, {n.attrs.s("value_string", "")}));
  if (n.attrs.has("value_strings")) {
    std::vector<std::string> x = n.attrs.strings("value_strings");
    const auto count = static_cast<int64_t>(x.size());
    return shared(Tensor::of_strings({count}, std::move(x)));
  }
  return nullptr;
}

class Cloner {
 public:
  Cloner(Model& m, const CloneOptions& options, std::unordered_map<ValueId, ValueId>& map)
      : m_(m), options_(options), map_(map) {}

  std::vector<ValueId> run(GraphId from) {
    fill(from, options_.into, options_.before);
    // Subgraphs are filled after the graph that holds them: their captures are known by then.
    while (!pending_.empty()) {
      const auto [source, copy] = pending_.back();
      pending_.pop_back();
      for (size_t i = 0; i < m_.inputs(source).size(); ++i) {
        Port port = m_[source].inputs[i];
        port.name = name(port.name);
        const ValueId old = m_.inputs(source)[i];
        const ValueId made = m_.add_input(copy, std::move(port));
        m_.set_type(made, Type(m_[old].type));
        map_[old] = made;
      }
      fill(source, copy, {});
      for (size_t i = 0; i < m_.outputs(source).size(); ++i) {
        Port port = m_[source].outputs[i];
        port.name = name(port.name);
        m_.add_output(copy, mapped(m_.outputs(source)[i]), std::move(port));
      }
    }
    std::vector<ValueId> out;
    for (const ValueId v : m_.outputs(from)) out.push_back(mapped(v));
    return out;
  }

 private:
  std::string name(const std::string& old) { return m_.unique_name(options_.prefix + old); }

  ValueId mapped(ValueId v) const {
    const auto it = map_.find(v);
    return it == map_.end() ? v : it->second;
  }

  void fill(GraphId from, GraphId into, NodeId before) {
    const std::vector<ValueId> dense = m_[from].initializers, sparse = m_[from].sparse_initializers;
    for (const ValueId v : dense)
      if (!m_[v].def) map_[v] = m_.add_initializer(into, *m_[v].constant, name(m_[v].name));
    for (const ValueId v : sparse) map_[v] = m_.add_sparse_initializer(into, *m_[v].sparse, name(m_[v].name));
    for (const NodeId n : m_.nodes(from)) node(n, into, before);
  }

  void node(NodeId n, GraphId into, NodeId before) {
    std::vector<ValueId> in;
    for (const ValueId v : m_[n].in) in.push_back(mapped(v));
    std::vector<std::string> names;
    const std::vector<ValueId> old = m_[n].out;
    for (const ValueId v : old) names.push_back(v ? name(m_[v].name) : std::string());
    const std::string node_name = m_[n].name.empty() ? std::string() : name(m_[n].name);
    std::vector<std::pair<GraphId, GraphId>> bodies;
    Attrs attrs = attributes(n, bodies);
    const NodeId copy = m_.create(m_[n].domain, m_[n].type, std::move(in), std::move(attrs), old.size(),
                                  node_name, std::move(names));
    m_.set_notes(copy, m_[n].notes);
    for (const auto& body : bodies) pending_.push_back(body);
    m_.place(copy, into, before);
    for (size_t i = 0; i < old.size(); ++i) {
      if (!old[i]) {
        m_.drop_output(copy, i);
        continue;
      }
      const ValueId made = m_[copy].out[i];
      m_.set_type(made, Type(m_[old[i]].type));
      if (m_[copy].is("Constant")) m_.set_constant(made, constant_of(m_[copy]));
      map_[old[i]] = made;
    }
  }

  Attrs attributes(NodeId n, std::vector<std::pair<GraphId, GraphId>>& bodies) {
    const Attrs source = m_[n].attrs;
    Attrs out;
    for (const Attr& a : source.items()) {
      AttrValue value = a.value;
      if (const auto* ref = std::get_if<AttrRef>(&value); ref != nullptr && options_.bound != nullptr) {
        const AttrValue* given = options_.bound->find(ref->param);
        if (given == nullptr) continue;  // an optional parameter that the call leaves out
        value = AttrValue(*given);
      }
      const auto copy_graph = [&](GraphId g) {
        const GraphId copy = m_.add_graph({}, m_[g].name);
        bodies.emplace_back(g, copy);
        return copy;
      };
      if (auto* g = std::get_if<GraphId>(&value)) *g = copy_graph(*g);
      if (auto* gs = std::get_if<std::vector<GraphId>>(&value))
        for (GraphId& g : *gs) g = copy_graph(g);
      out.set(a.name, std::move(value));
      out.items().back().carried = a.carried;
    }
    return out;
  }

  Model& m_;
  const CloneOptions& options_;
  std::unordered_map<ValueId, ValueId>& map_;
  std::vector<std::pair<GraphId, GraphId>> pending_;  // source, copy
};

}  // namespace

std::vector<ValueId> clone_graph(Model& m, GraphId from, const CloneOptions& options,
                                 std::unordered_map<ValueId, ValueId>& map) {
  return Cloner(m, options, map).run(from);
}

}  // namespace lathe
