#include "ir/onnx/save_names.h"

#include <algorithm>
#include <cctype>
#include <unordered_set>

#include "ir/base/error.h"
#include "ir/base/quote.h"
#include "ir/core/walk.h"
#include "ir/onnx/graph_load.h"

namespace lathe {
namespace {

std::string snake_case(std::string_view type) {
  std::string out;
  for (size_t i = 0; i < type.size(); ++i) {
    const auto c = static_cast<unsigned char>(type[i]);
    const bool boundary =
        i > 0 && std::isupper(c) != 0 && std::islower(static_cast<unsigned char>(type[i - 1])) != 0;
    if (boundary) out += '_';
    out += std::isalnum(c) != 0 ? static_cast<char>(std::tolower(c)) : '_';
  }
  return out;
}

class Names {
 public:
  explicit Names(Model& m) : m_(m) {}

  void graph(GraphId g, bool nested) {
    std::vector<std::string> added;
    std::unordered_set<std::string> own;
    const auto take = [&](const std::string& name) {
      return !name.empty() && !visible_.contains(name) && own.insert(name).second;
    };
    // From here on nested graphs see the name. (They may use it for themselves before.)
    const auto expose = [&](const std::string& name) {
      if (visible_.insert(name).second) added.push_back(name);
    };
    // A name for v that is free here: its own, or a fresh one.
    const auto name_value = [&](ValueId v, const std::string& base) {
      if (!take(m_[v].name)) {
        m_.set_name(v, m_.unique_name(base));
        take(m_[v].name);
      }
      expose(m_[v].name);
    };

    const std::vector<ValueId> inputs = m_.inputs(g);
    for (size_t i = 0; i < inputs.size(); ++i) {
      std::string name = m_[g].inputs[i].name;
      if (!take(name)) {
        if (!nested) fail("input {} is listed twice, or has no name", quote(name));
        name = m_.unique_name(name.empty() ? "input" : name);  // inputs of subgraphs are told by place
        take(name);
        m_.edit(g).inputs[i].name = name;
      }
      if (m_[inputs[i]].name != name) m_.set_name(inputs[i], name);
      expose(name);
    }
    const std::unordered_set<ValueId> of_ports = outputs(g, nested, take);
    for (const auto* list : {&m_[g].initializers, &m_[g].sparse_initializers}) {
      const std::vector<ValueId> values = *list;
      for (const ValueId v : values) {
        if (m_[v].def) continue;  // the default of an input
        if (of_ports.contains(v)) {
          expose(m_[v].name);
        } else {
          name_value(v, m_[v].name.empty() ? "const" : m_[v].name);
        }
      }
    }
    for (const NodeId n : m_.nodes(g)) {
      for (const GraphId inner : m_.subgraphs(n)) graph(inner, true);
      const std::vector<ValueId> out = m_[n].out;
      for (const ValueId v : out) {
        if (!v) continue;
        if (of_ports.contains(v)) {
          expose(m_[v].name);
        } else {
          name_value(v, m_[v].name.empty() ? snake_case(m_[n].type) + "_out" : m_[v].name);
        }
      }
    }
    for (const std::string& name : added) visible_.erase(name);
  }

 private:
  // Gives the values behind output ports their names; returns those that have them for good.
  template <class Take>
  std::unordered_set<ValueId> outputs(GraphId g, bool nested, const Take& take) {
    std::unordered_set<ValueId> settled;
    const std::vector<ValueId> values = m_.outputs(g);
    // First the ports whose value has their name already, so that none of them loses it to another port.
    std::vector<bool> done(values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      const std::string& name = m_[g].outputs[i].name;
      if (!values[i]) fail("output {} has lost its value", quote(name));
      if (m_[values[i]].name != name) continue;
      done[i] = true;
      const bool own = m_[values[i]].graph == g && !m_.is_graph_input(values[i]);
      if (own && settled.insert(values[i]).second && !take(name)) {
        settled.erase(values[i]);
        done[i] = false;
      }
    }
    for (size_t i = 0; i < values.size(); ++i) {
      if (done[i]) continue;
      std::string name = m_[g].outputs[i].name;
      if (!take(name)) {
        if (!nested)
          fail("output {} cannot be written: an input or another output has its name", quote(name));
        name = m_.unique_name(name.empty() ? "output" : name);
        take(name);
        m_.edit(g).outputs[i].name = name;
      }
      const ValueId v = values[i];
      const bool own = m_[v].def && m_[v].graph == g && !m_.is_graph_input(v);
      if (own && settled.insert(v).second) {
        m_.set_name(v, name);
        continue;
      }
      const NodeId identity =
          m_.create("", "Identity", {v}, {}, 1, m_.unique_name(name + "_identity"), {name});
      m_.place(identity, g);
      const ValueId copy = m_[identity].out[0];
      m_.set_type(copy, m_[v].type);
      m_.set_input(m_[g].ret, i, copy);
      settled.insert(copy);
    }
    return settled;
  }

  Model& m_;
  std::unordered_set<std::string> visible_;
};

void update_constants(Model& m) {
  std::vector<NodeId> changed;
  for_each_node(m, [&](NodeId n) {
    if (!m[n].is("Constant") || m[n].out.size() != 1 || !m[n].out[0]) return;
    const TensorPtr& now = m[m[n].out[0]].constant;
    if (!now) return;
    const TensorPtr spelled = constant_of(m[n]);
    if (spelled != now && (!spelled || !same_content(*spelled, *now))) changed.push_back(n);
  });
  for (const NodeId n : changed) {
    const std::vector<Attr> old = m[n].attrs.items();
    for (const Attr& a : old) m.erase_attr(n, a.name);
    m.set_attr(n, "value", m[m[n].out[0]].constant);
  }
}

}  // namespace

void settle_names(Model& m) {
  update_constants(m);
  Names names(m);
  names.graph(m.main(), false);
  for (const Function& f : m.functions) names.graph(f.body, false);
}

}  // namespace lathe
