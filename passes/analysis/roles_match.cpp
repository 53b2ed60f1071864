#include "passes/analysis/roles_match.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_set>

namespace lathe::roles {
namespace {

using Names = std::span<const std::string_view>;

bool among(std::string_view type, Names list) {
  return std::find(list.begin(), list.end(), type) != list.end();
}

constexpr std::array<std::string_view, 20> kLayout = {"Reshape",
                                                      "Transpose",
                                                      "Squeeze",
                                                      "Unsqueeze",
                                                      "Flatten",
                                                      "Identity",
                                                      "Cast",
                                                      "CastLike",
                                                      "Split",
                                                      "Slice",
                                                      "Expand",
                                                      "Tile",
                                                      "Dropout",
                                                      "Gather",
                                                      "Concat",
                                                      "GatherND",
                                                      "Pad",
                                                      "DepthToSpace",
                                                      "DequantizeLinear",
                                                      "QuantizeLinear"};
constexpr std::array<std::string_view, 35> kPointwise = {"Add",         "Sub",       "Mul",
                                                         "Div",         "Neg",       "Erf",
                                                         "Tanh",        "Sigmoid",   "Relu",
                                                         "LeakyRelu",   "Elu",       "Celu",
                                                         "Selu",        "Gelu",      "HardSwish",
                                                         "HardSigmoid", "Mish",      "Softplus",
                                                         "Softsign",    "Clip",      "Pow",
                                                         "Exp",         "Sqrt",      "Min",
                                                         "Max",         "Where",     "Abs",
                                                         "PRelu",       "Swish",     "FastGelu",
                                                         "BiasGelu",    "QuickGelu", "ThresholdedRelu",
                                                         "Silu",        "Sum"};
// Operands that hold weights or numbers about data rather than data.
constexpr std::array<std::string_view, 12> kProducts = {
    "MatMul",    "Gemm",           "MatMulNBits",   "MatMulBnb4",           "FusedMatMul",
    "FusedGemm", "MatMulInteger",  "QLinearMatMul", "MatMulIntegerToFloat", "DynamicQuantizeMatMul",
    "QGemm",     "TransposeMatMul"};

size_t weight_slot(const Node& n) { return n.type == "QLinearMatMul" || n.type == "QGemm" ? 3 : 1; }

}  // namespace

bool is_data(const Model& m, const Node& n, size_t slot) {
  if (!n.input(slot)) return false;
  static constexpr std::array<std::string_view, 16> kFirst = {
      "Reshape",   "Squeeze",  "Unsqueeze",        "Slice",          "Expand",
      "Tile",      "Split",    "Gather",           "GatherND",       "Pad",
      "Clip",      "CastLike", "DequantizeLinear", "QuantizeLinear", "Dropout",
      "ReduceMean"};
  if (slot > 0 && among(n.type, kFirst)) return false;
  if (n.is("Where") && slot == 0) return false;
  return !is_weight(m, n.in[slot]);
}

bool is_weight(const Model& m, ValueId v) {
  for (int steps = 0; v && steps < 8; ++steps) {
    if (m.constant(v) != nullptr) return true;
    const NodeId n = m[v].def;
    if (!n || m.is_hidden(n)) return false;
    const Node& node = m[n];
    if (!(node.is("Transpose") || node.is("Cast") || node.is("DequantizeLinear") || node.is("Reshape") ||
          node.is("Identity")))
      return false;
    v = node.input(0);
  }
  return false;
}

bool is_projection(const Model& m, NodeId n) {
  const Node& node = m[n];
  return among(node.type, kProducts) && is_weight(m, node.input(weight_slot(node)));
}

bool is_data_product(const Model& m, NodeId n) {
  const Node& node = m[n];
  if (node.is("Einsum")) return node.in.size() == 2 && !is_weight(m, node.in[0]) && !is_weight(m, node.in[1]);
  return (node.is("MatMul") || node.type == "FusedMatMul" || node.type == "TransposeMatMul") &&
         !is_weight(m, node.input(0)) && !is_weight(m, node.input(1));
}

bool is_layout(const Node& n) { return among(n.type, kLayout); }
bool is_pointwise(const Node& n) { return among(n.type, kPointwise); }

int64_t projection_width(const Model& m, NodeId n) {
  const auto& shape = m[m[n].output(0)].type.shape;
  return shape && !shape->empty() ? shape->back().constant().value_or(0) : 0;
}

Cone cone(const Model& m, ValueId v, const std::function<bool(NodeId)>& through,
          const std::function<bool(NodeId)>& stop, size_t limit) {
  Cone c;
  std::unordered_set<NodeId> seen;
  std::vector<ValueId> work{v};
  for (size_t i = 0; i < work.size(); ++i) {
    const NodeId n = work[i] ? m[work[i]].def : NodeId{};
    if (!n || m.is_hidden(n) || !seen.insert(n).second) continue;
    if (stop(n)) {
      c.stops.push_back(n);
      continue;
    }
    if (!through(n)) continue;
    if (c.inner.size() >= limit) {
      c.whole = false;
      break;
    }
    c.inner.push_back(n);
    for (size_t slot = 0; slot < m[n].in.size(); ++slot)
      if (is_data(m, m[n], slot)) work.push_back(m[n].in[slot]);
  }
  return c;
}

}  // namespace lathe::roles
