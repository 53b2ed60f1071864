#include "passes/core/gradient_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "ir/core/order.h"
#include "ir/core/walk.h"
#include "ir/ops/training/gradient.h"
#include "ir/ops/training/tape.h"
#include "passes/core/remark.h"

namespace lathe {
namespace {

std::vector<NodeId> gradients(const Model& m) {
  std::vector<NodeId> found;
  if (m.opset(kTrainingDomain) == 0) return found;
  for_each_node(m, [&](NodeId n) {
    if (is_gradient(m[n])) found.push_back(n);
  });
  return found;
}

size_t own_inputs(const Node& n) { return n.attrs.strings("xs").size() + n.attrs.strings("zs").size(); }

std::vector<std::string> named(const Node& n) {
  std::vector<std::string> names = n.attrs.strings("xs");
  for (std::string& z : n.attrs.strings("zs")) names.push_back(std::move(z));
  names.push_back(n.attrs.s("y", ""));
  return names;
}

// Nodes that y is computed by, from the first values of `ends` on.
std::unordered_set<NodeId> cone(const Model& m, ValueId y, const std::unordered_set<ValueId>& ends) {
  std::unordered_set<NodeId> found;
  std::vector<ValueId> work{y};
  while (!work.empty()) {
    const ValueId v = work.back();
    work.pop_back();
    const NodeId n = v && !ends.contains(v) ? m[v].def : NodeId{};
    if (!n || m.is_hidden(n) || !found.insert(n).second) continue;
    work.insert(work.end(), m[n].in.begin(), m[n].in.end());
  }
  return found;
}

// The name that v is saved by: that of the port where it leaves the graph.
std::string saved_name(const Model& m, GraphId g, ValueId v) {
  const auto outputs = m.outputs(g);
  const auto it = std::find(outputs.begin(), outputs.end(), v);
  if (it == outputs.end() || m.is_graph_input(v) || m.is_initializer(v)) return m[v].name;
  return m[g].outputs[static_cast<size_t>(it - outputs.begin())].name;
}

}  // namespace

void hold_gradient_names(Model& m) {
  std::unordered_set<GraphId> touched;
  for (const NodeId n : gradients(m)) {
    const size_t own = own_inputs(m[n]);
    if (m[n].in.size() != own || m[n].attrs.has(kNamedInputs)) continue;
    const auto values = values_by_name(m, m[n].parent);
    std::vector<ValueId> in = m[n].in;
    for (const std::string& name : named(m[n]))
      if (const auto it = values.find(name); it != values.end()) in.push_back(it->second);
    if (in.size() != 2 * own + 1 || cone(m, in.back(), {}).contains(n)) continue;
    m.set_inputs(n, std::move(in));
    m.set_attr(n, kNamedInputs, int64_t{1});
    touched.insert(m[n].parent);
  }
  for (const GraphId g : touched) restore_order(m, g);
}

void release_gradient_names(Model& m) {
  for (const NodeId n : gradients(m)) {
    if (!m[n].attrs.has(kNamedInputs)) continue;
    const size_t own = own_inputs(m[n]), xs = m[n].attrs.strings("xs").size();
    std::vector<std::string> names;
    for (size_t i = own; i < m[n].in.size(); ++i) {
      const ValueId v = m[n].in[i];
      if (m[v].name.empty()) m.set_name(v, m.unique_name("gradient_value"));
      names.push_back(saved_name(m, m[n].parent, v));
      if (m[v].name != names.back()) m.set_name(v, names.back());
    }
    m.truncate_inputs(n, own);
    m.erase_attr(n, kNamedInputs);
    if (names == named(m[n])) continue;
    m.set_attr(n, "y", names.back());
    names.pop_back();
    const auto middle = names.begin() + static_cast<std::ptrdiff_t>(xs);
    if (middle != names.end() || m[n].attrs.has("zs")) m.set_attr(n, "zs", std::vector(middle, names.end()));
    m.set_attr(n, "xs", std::vector(names.begin(), middle));
  }
}

std::string gradient_refusal(const Model& m, const Patch& patch) {
  for (const NodeId g : gradients(m)) {
    if (!m[g].attrs.has(kNamedInputs)) continue;
    const auto first = m[g].in.begin() + static_cast<std::ptrdiff_t>(own_inputs(m[g]));
    const std::unordered_set<ValueId> points(first, m[g].in.end() - 1);
    const auto between = cone(m, m[g].in.back(), points);
    const auto inside = [&](NodeId n) { return between.contains(n); };
    if (std::none_of(patch.taken.begin(), patch.taken.end(), inside)) continue;
    std::unordered_set<ValueId> read;
    for (const NodeId n : patch.made) {
      read.insert(m[n].in.begin(), m[n].in.end());
      const Type& t = m[m[n].out.at(0)].type;
      if (is_floating(t.dtype) && find_derivative(m[n].domain, m[n].type) == nullptr)
        return fmt::format("'{}' has no derivative of {}", node_label(m, g), m[n].type);
    }
    for (const auto& [from, to] : patch.replace) read.insert({from, to});
    for (const NodeId n : patch.taken)
      for (const ValueId v : m[n].in)
        if (points.contains(v) && !read.contains(v))
          return fmt::format("'{}' differentiates by '{}'", node_label(m, g), m[v].name);
  }
  return {};
}

}  // namespace lathe
