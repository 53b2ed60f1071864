// Feed-forward: projections up, an activation, a projection down; gated where two projections are multiplied.
// Heads: what projects to the model's outputs.
#include <algorithm>
#include <array>
#include <set>

#include "passes/analysis/role_units.h"
#include "passes/analysis/roles_match.h"
#include "passes/core/addition.h"

namespace lathe::roles {
namespace {

// The name that a reader knows the activation by; "" if these nodes hold none.
std::string activation(const Model& m, const std::vector<NodeId>& nodes) {
  std::set<std::string, std::less<>> types;
  for (const NodeId n : nodes) types.insert(m[n].type);
  const auto has = [&](std::string_view t) { return types.contains(t); };
  if (has("Erf") || has("Gelu") || has("BiasGelu")) return "Gelu";
  if (has("FastGelu") || (has("Tanh") && (has("Pow") || types.size() > 3))) return "Gelu (tanh)";
  if (has("QuickGelu")) return "QuickGelu";
  if (has("Sigmoid") || has("Swish") || has("Silu")) return "Silu";
  for (const std::string_view t : {"Relu", "HardSwish", "LeakyRelu", "Elu", "Celu", "Selu", "Mish",
                                   "Softplus", "PRelu", "Tanh", "Clip", "HardSigmoid", "ThresholdedRelu"})
    if (has(t)) return std::string(t);
  return {};
}

bool is_activation(const Model& m, NodeId n) { return !activation(m, {n}).empty(); }

bool passes(const Model& m, NodeId n) {
  const std::string& t = m[n].type;
  return is_pointwise(m[n]) || t == "Cast" || t == "Identity" || t == "Reshape" || t == "Dropout" ||
         t == "Split" || t == "Slice" || t == "QuantizeLinear" || t == "DequantizeLinear" ||
         t == "DynamicQuantizeLinear" || t == "Transpose" || t == "Squeeze" || t == "Unsqueeze";
}

Cone to_projections(const Model& m, ValueId v) {
  return cone(
      m, v, [&](NodeId n) { return passes(m, n); },
      [&](NodeId n) { return is_projection(m, n) || is_data_product(m, n); });
}

// The down projection's result is added to something computed: the residual of a layer, not a model's end.
bool joins_residual(const Builder& b, NodeId down) {
  std::vector<NodeId> work{down};
  for (size_t i = 0; i < work.size() && i < 12; ++i)
    for (const NodeId u : b.users(b.m[work[i]].output(0))) {
      const Node& n = b.m[u];
      if (n.type.starts_with("Skip")) return true;
      const bool computed =
          n.in.size() > 1 && n.in[0] && n.in[1] && !is_weight(b.m, n.in[0]) && !is_weight(b.m, n.in[1]);
      if (is_addition(n) && computed) return true;
      if (passes(b.m, u) || n.type.find("Norm") != std::string::npos) work.push_back(u);
    }
  return false;
}

void add_bias(const Builder& b, NodeId product, std::vector<NodeId>& nodes) {
  for (const NodeId n : b.users(b.m[product].output(0)))
    if (is_addition(b.m[n]) && (is_weight(b.m, b.m[n].in[0]) || is_weight(b.m, b.m[n].in[1])))
      nodes.push_back(n);
}

}  // namespace

void find_feed_forward(Builder& b) {
  const Model& m = b.m;
  for (const NodeId down : b.order) {
    if (!is_projection(m, down) || b.claimed(down)) continue;
    const Cone c = to_projections(m, m[down].in[0]);
    const std::string act = activation(m, c.inner);
    if (!c.whole || act.empty() || c.stops.empty() || c.stops.size() > 2 || !joins_residual(b, down))
      continue;
    const bool mine = std::all_of(c.stops.begin(), c.stops.end(),
                                  [&](NodeId n) { return is_projection(m, n) && !b.claimed(n); });
    if (!mine) continue;
    Unit u;
    u.role = Role::feed_forward;
    u.activation = act;
    u.nodes = c.inner;
    u.nodes.insert(u.nodes.end(), c.stops.begin(), c.stops.end());
    u.nodes.push_back(down);
    add_bias(b, down, u.nodes);
    std::vector<std::pair<NodeId, Part>> parts{{down, Part::down}};
    const bool packed = c.stops.size() == 1 && std::any_of(c.inner.begin(), c.inner.end(), [&](NodeId n) {
                          return m[n].is("Split") || m[n].is("Slice");
                        });
    u.gated = c.stops.size() == 2 || packed;
    for (const NodeId up : c.stops) {
      bool gate = false;
      if (c.stops.size() == 2)
        for (const NodeId n : c.inner) {
          if (!is_activation(m, n)) continue;
          const Cone above = to_projections(m, m[n].in[0]);
          gate = gate || std::find(above.stops.begin(), above.stops.end(), up) != above.stops.end();
        }
      parts.emplace_back(up, gate ? Part::gate : Part::up);
    }
    b.add(std::move(u), parts);
  }
}

void find_heads(Builder& b) {
  const Model& m = b.m;
  for (const NodeId n : b.order) {
    if (!is_projection(m, n) || b.claimed(n)) continue;
    // Through hidden layers of the head itself: all that follows is unclaimed.
    bool last = true;
    std::vector<NodeId> after{n};
    for (size_t i = 0; i < after.size() && last; ++i)
      for (const ValueId v : m[after[i]].out)
        for (const NodeId u : b.users(v)) {
          const bool known = std::find(after.begin(), after.end(), u) != after.end();
          if (known) continue;
          last = after.size() < 64 && !b.claimed(u) && !is_data_product(m, u) &&
                 m[u].type.find("Conv") == std::string::npos && m[u].type != "LSTM" && m[u].type != "GRU";
          if (!last) break;
          after.push_back(u);
        }
    if (!last) continue;
    Unit u;
    u.role = Role::head;
    for (const NodeId x : after)
      if (is_projection(m, x) || is_pointwise(m[x]) || is_layout(m[x]) || m[x].type == "Softmax" ||
          m[x].type == "LogSoftmax")
        u.nodes.push_back(x);
    u.activation = activation(m, u.nodes);
    b.add(std::move(u));
  }
}

}  // namespace lathe::roles
