// Norms, embeddings, convolution stages and pooling.
#include <algorithm>
#include <string>
#include <unordered_map>

#include "passes/analysis/role_units.h"
#include "passes/analysis/roles_match.h"
#include "passes/core/addition.h"

namespace lathe::roles {
namespace {

bool one_of(std::string_view t, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), t) != list.end();
}

NodeId def(const Model& m, ValueId v) {
  const NodeId n = v ? m[v].def : NodeId{};
  return n && !m.is_hidden(n) ? n : NodeId{};
}

// The operand of a two-operand node that is computed, if the other one is a constant.
ValueId computed_operand(const Model& m, const Node& n) {
  if (n.in.size() < 2 || !n.in[0] || !n.in[1]) return n.input(0);
  if (is_weight(m, n.in[0])) return n.in[1];
  return is_weight(m, n.in[1]) ? n.in[0] : ValueId{};
}

ValueId behind_casts(const Model& m, ValueId v) {
  for (int i = 0; i < 4; ++i) {
    const NodeId n = def(m, v);
    if (!n || !(m[n].is("Cast") || m[n].is("Identity"))) break;
    v = m[n].in[0];
  }
  return v;
}

// Root of a mean of squares plus a constant: the denominator of a norm that is spelled out.
struct Spelled {
  std::vector<NodeId> nodes;
  ValueId x;
};
std::optional<Spelled> spelled_norm(const Builder& b, NodeId root) {
  const Model& m = b.m;
  Spelled s;
  s.nodes.push_back(root);
  const NodeId add = def(m, m[root].in[0]);
  if (!add || !one_of(m[add].type, {"Add", "Max", "Clip"})) return std::nullopt;
  const NodeId mean = def(m, behind_casts(m, computed_operand(m, m[add])));
  if (!mean || !one_of(m[mean].type, {"ReduceMean", "ReduceSumSquare", "ReduceSum"})) return std::nullopt;
  s.nodes.push_back(add);
  s.nodes.push_back(mean);
  ValueId y = m[mean].in[0];
  if (m[mean].type != "ReduceSumSquare") {
    const NodeId square = def(m, behind_casts(m, y));
    if (!square || !(m[square].is("Pow") || (m[square].is("Mul") && m[square].in[0] == m[square].in[1])))
      return std::nullopt;
    s.nodes.push_back(square);
    y = m[square].in[0];
  }
  s.x = y;
  const NodeId sub = def(m, behind_casts(m, y));
  if (sub && m[sub].is("Sub")) {
    const NodeId center = def(m, behind_casts(m, m[sub].in[1]));
    if (center && m[center].is("ReduceMean")) {
      s.nodes.push_back(sub);
      s.nodes.push_back(center);
      s.x = m[sub].in[0];
    }
  }
  // Forward: division, then gain and bias, with conversions between.
  ValueId v = m[root].output(0);
  bool divided = false;
  for (int steps = 0; steps < 8; ++steps) {
    NodeId next;
    for (const NodeId u : b.users(v)) {
      const Node& n = m[u];
      const bool scales = computed_operand(m, n) == v;
      if (!divided && (n.is("Reciprocal") || n.is("Div") || n.is("Mul"))) next = u;
      if (divided && (n.is("Cast") || ((n.is("Mul") || is_addition(n)) && scales))) next = u;
      if (n.is("Sub") && std::find(s.nodes.begin(), s.nodes.end(), u) != s.nodes.end()) next = {};
    }
    if (!next || std::find(s.nodes.begin(), s.nodes.end(), next) != s.nodes.end()) break;
    divided = divided || m[next].is("Div") || m[next].is("Mul");
    // Another reader beside the next step: the norm's result is ready here.
    if (divided && is_addition(m[next]) && computed_operand(m, m[next]) != v) break;
    s.nodes.push_back(next);
    v = m[next].output(0);
    if (m[v].uses.size() > 1) break;
  }
  return divided ? std::optional(s) : std::nullopt;
}

}  // namespace

void find_norms(Builder& b) {
  for (const NodeId n : b.order) {
    if (b.claimed(n)) continue;
    const Node& node = b.m[n];
    Unit u;
    u.role = Role::norm;
    if (one_of(node.type,
               {"LayerNormalization", "SimplifiedLayerNormalization", "SkipLayerNormalization",
                "SkipSimplifiedLayerNormalization", "RMSNormalization", "GroupNormalization", "GroupNorm",
                "SkipGroupNorm", "InstanceNormalization", "LpNormalization", "MeanVarianceNormalization"})) {
      u.fused = true;
      u.activation = node.type;
      u.nodes = {n};
    } else if (node.is("Sqrt") || (node.is("Pow") && b.m.constant(node.input(1)) != nullptr)) {
      const auto s = spelled_norm(b, n);
      if (!s) continue;
      u.nodes = s->nodes;
      const bool centered =
          std::any_of(u.nodes.begin(), u.nodes.end(), [&](NodeId x) { return b.m[x].is("Sub"); });
      u.activation = centered ? "LayerNormalization" : "RMSNormalization";
    } else {
      continue;
    }
    b.add(std::move(u));
  }
}

void find_embeddings(Builder& b) {
  const Model& m = b.m;
  std::vector<std::vector<NodeId>> groups;  // tables, and the sums of what they give
  std::vector<size_t> tables;
  std::unordered_map<NodeId, size_t> group_of;
  for (const NodeId n : b.order) {
    if (b.claimed(n)) continue;
    const Node& node = m[n];
    const bool table = node.is("Gather") && is_weight(m, node.in[0]) &&
                       is_floating(m[node.in[0]].type.dtype) && m[node.in[0]].type.rank() == 2 &&
                       node.attrs.i("axis", 0) == 0 && m.constant(node.in[1]) == nullptr;
    if (table || one_of(node.type, {"EmbedLayerNormalization", "GatherBlockQuantized", "GatherNBits"})) {
      group_of[n] = groups.size();
      groups.push_back({n});
      tables.push_back(1);
      continue;
    }
    if (!is_addition(node) || node.in.size() != 2) continue;
    // A sum of embeddings, or of one and a constant.
    std::vector<size_t> parts;
    bool all = true;
    for (const ValueId v : node.in) {
      if (is_weight(m, v)) continue;
      const NodeId d = def(m, v);
      const auto it = d ? group_of.find(d) : group_of.end();
      all = all && it != group_of.end();
      if (it != group_of.end()) parts.push_back(it->second);
    }
    if (!all || parts.empty()) continue;
    const size_t into = parts[0];
    for (const size_t from : parts) {
      if (from == into) continue;
      for (const NodeId x : groups[from]) group_of[x] = into;
      groups[into].insert(groups[into].end(), groups[from].begin(), groups[from].end());
      tables[into] += tables[from];
      groups[from].clear();
    }
    groups[into].push_back(n);
    group_of[n] = into;
  }
  for (size_t i = 0; i < groups.size(); ++i) {
    if (groups[i].empty()) continue;
    Unit u;
    u.role = Role::embedding;
    u.nodes = groups[i];
    u.fused = m[groups[i][0]].type == "EmbedLayerNormalization";
    if (tables[i] > 1) u.activation = std::to_string(tables[i]) + " tables";
    b.add(std::move(u));
  }
}

void find_convolutions(Builder& b) {
  const Model& m = b.m;
  for (const NodeId n : b.order) {
    const std::string& t = m[n].type;
    if (b.claimed(n) ||
        !(t == "Conv" || t == "ConvTranspose" || t == "FusedConv" || t == "NhwcConv" || t == "QLinearConv" ||
          t == "ConvInteger" || t == "DeformConv" || t == "NhwcFusedConv"))
      continue;
    Unit u;
    u.role = Role::convolution;
    u.fused = t.find("Fused") != std::string::npos;
    u.nodes = {n};
    // What follows the convolution alone: batch norm, bias, activation.
    ValueId v = m[n].output(0);
    for (int steps = 0; steps < 8; ++steps) {
      const auto next = b.users(v);
      const bool residual = !next.empty() && is_addition(m[next[0]]) && !computed_operand(m, m[next[0]]);
      if (next.size() == 2 && steps > 0) {  // x * sigmoid(x) and its kin
        const NodeId first = b.place(next[0]) < b.place(next[1]) ? next[0] : next[1];
        const NodeId second = first == next[0] ? next[1] : next[0];
        const auto closing = b.users(m[first].output(0));
        if (is_pointwise(m[first]) && closing.size() == 1 && closing[0] == second && m[second].is("Mul")) {
          u.nodes.push_back(first);
          u.nodes.push_back(second);
          v = m[second].output(0);
          continue;
        }
      }
      if (next.size() != 1 || b.claimed(next[0]) || residual) break;
      const Node& follower = m[next[0]];
      if (!follower.is("BatchNormalization") &&
          !(is_pointwise(follower) && follower.in.size() <= 3 &&
            (follower.in.size() == 1 || computed_operand(m, follower) == v)))
        break;
      if (is_pointwise(follower) && !one_of(follower.type, {"Add", "Mul", "Sub", "Div"}))
        u.activation = follower.type;
      u.nodes.push_back(next[0]);
      v = follower.output(0);
    }
    b.add(std::move(u));
  }
}

void find_pooling(Builder& b) {
  const Model& m = b.m;
  for (const NodeId n : b.order) {
    if (b.claimed(n)) continue;
    const Node& node = m[n];
    const bool op =
        one_of(node.type, {"GlobalAveragePool", "GlobalMaxPool", "AveragePool", "MaxPool", "LpPool",
                           "RoiAlign", "MaxRoiPool", "QLinearGlobalAveragePool", "QLinearAveragePool"});
    const auto& shape = node.input(0) ? m[node.in[0]].type.shape : std::optional<Shape>();
    const bool data = shape && shape->size() >= 3 && is_floating(m[node.in[0]].type.dtype);
    // Over the axes between batch and features: the mean over tokens or pixels.
    const bool reduces = data && one_of(node.type, {"ReduceMean", "ReduceSum", "ReduceMax", "ReduceL2"});
    const Tensor* axes = reduces ? m.constant(node.input(1)) : nullptr;
    bool over_tokens = axes != nullptr && axes->count() > 0 && axes->byte_size() > 0;
    for (int64_t i = 0; over_tokens && i < axes->count(); ++i) {
      int64_t a = axes->as_i64(i);
      if (a < 0) a += static_cast<int64_t>(shape->size());
      over_tokens = a >= 1 && (a + 1 < static_cast<int64_t>(shape->size()) || shape->size() == 4);
    }
    const Tensor* pick = node.is("Gather") && data ? m.constant(node.in[1]) : nullptr;
    const bool first_token =
        pick != nullptr && pick->count() == 1 && shape->size() == 3 && node.attrs.i("axis", 0) == 1;
    if (!op && !(reduces && over_tokens) && !first_token) continue;
    Unit u;
    u.role = Role::pooling;
    u.nodes = {n};
    u.fused = op;
    u.activation = first_token ? "first token" : node.type;
    b.add(std::move(u));
  }
}

}  // namespace lathe::roles
