#include "passes/fusion/common.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "ir/core/walk.h"
#include "ir/onnx/lift.h"

namespace lathe {

std::optional<int64_t> last_dim(const Type& t) {
  if (!t.shape || t.shape->empty()) return std::nullopt;
  return t.shape->back().constant();
}

bool is_last_axis(const Model& m, ValueId axes, ValueId x) {
  const Tensor* t = m.constant(axes);
  if (t == nullptr || !is_integer(t->dtype) || t->count() != 1) return false;
  const int64_t axis = t->as_i64(0);
  const int rank = m[x].type.rank();
  return axis == -1 || (rank > 0 && axis == rank - 1);
}

bool is_last_axis_vector(const Model& m, ValueId v, int64_t size) {
  if (const Tensor* t = m.constant(v))
    return !t->dims.empty() && t->dims.back() == size && t->count() == size;
  const Type& t = m[v].type;
  return t.rank() == 1 && (*t.shape)[0].is_const(size);
}

ValueId as_vector(Builder& b, ValueId v) {
  const Tensor* t = b.model().constant(v);
  if (t == nullptr || t->rank() == 1) return v;
  return b.constant(t->reshaped({t->count()}), b.model()[v].name);
}

bool single_use(const Model& m, ValueId v) {
  return m[v].uses.size() == 1 && !m.is_hidden(m[v].uses[0].node);
}

NodeId defined_by(const Model& m, ValueId v, std::string_view type, std::string_view domain) {
  if (!v) return {};
  const NodeId n = m[v].def;
  return n && m[n].is(type, domain) && is_canonical(m[n]) && m[n].output(0) == v ? n : NodeId{};
}

Refusal needs_kernel(const Target& t, std::string_view domain, std::string_view type, DType dtype) {
  if (t.has(domain, type, dtype)) return std::nullopt;
  return fmt::format("target {} has no kernel for {}{}{} on {}", t.name(), domain,
                     domain.empty() ? "" : "::", type, onnx_name(dtype));
}

std::string other_use(const Model& m, ValueId v, const std::vector<NodeId>& inside) {
  for (const Use& u : m[v].uses) {
    if (m.is_hidden(u.node)) return fmt::format("'{}' is also an output of the graph", m[v].name);
    if (std::find(inside.begin(), inside.end(), u.node) == inside.end())
      return fmt::format("'{}' is also used by '{}'", m[v].name, node_label(m, u.node));
  }
  return {};
}

std::vector<NodeId> with_private_users(const Model& m, std::vector<NodeId> nodes) {
  constexpr size_t kMost = 256;
  std::unordered_set<NodeId> inside(nodes.begin(), nodes.end());
  // All nodes downstream of the set, as far as they go; then those with a use outside fall away.
  std::vector<NodeId> extra;
  const auto follow = [&](NodeId n) {
    for (const ValueId v : m[n].out)
      for (const Use& u : v ? m[v].uses : std::vector<Use>{})
        if (!m.is_hidden(u.node) && m[u.node].parent == m[nodes[0]].parent && inside.insert(u.node).second)
          extra.push_back(u.node);
  };
  const size_t given = nodes.size();
  for (size_t i = 0; i < given; ++i) follow(nodes[i]);
  for (size_t i = 0; i < extra.size() && extra.size() < kMost; ++i) follow(extra[i]);
  for (bool again = true; again;) {
    again = false;
    for (auto it = extra.begin(); it != extra.end();) {
      const auto leaves = [&](ValueId v) {
        return v && std::any_of(m[v].uses.begin(), m[v].uses.end(),
                                [&](const Use& u) { return !inside.contains(u.node); });
      };
      if (std::any_of(m[*it].out.begin(), m[*it].out.end(), leaves)) {
        inside.erase(*it);
        it = extra.erase(it);
        again = true;
      } else {
        ++it;
      }
    }
  }
  nodes.insert(nodes.end(), extra.begin(), extra.end());
  return nodes;
}

void for_each_fusable(PassContext& c, std::initializer_list<std::string_view> types,
                      const std::function<void(NodeId)>& body, bool backwards) {
  for (const GraphId g : nested_graphs(c.model, c.model.main())) {
    std::vector<NodeId> nodes = c.model.nodes(g);
    if (backwards) std::reverse(nodes.begin(), nodes.end());
    for (const NodeId n : nodes) {
      const Node& node = c.model[n];
      if (node.erased || !node.domain.empty() || !is_canonical(node) ||
          std::find(types.begin(), types.end(), node.type) == types.end())
        continue;
      if (c.out_of_fuel()) return;
      body(n);
    }
  }
}

}  // namespace lathe
