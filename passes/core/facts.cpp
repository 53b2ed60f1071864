#include "passes/core/facts.h"

#include <algorithm>

#include "ir/core/walk.h"
#include "ir/onnx/lift.h"
#include "ir/onnx/schema.h"
#include "passes/core/match.h"

namespace lathe {
namespace {

// Contents steer shapes; what is longer is data.
constexpr int64_t kMaxContents = 64;

bool is_pure_alone(const Model& m, const Node& n) {
  if (m.function(n) != nullptr) return false;  // a body may draw random numbers; inline it first
  if (const OpDef* def = op_registry().find(n)) {
    if (def->exactness == Exactness::random) return false;
  } else if (!n.domain.empty() || find_schema(n.domain, n.type, newest_opset()) == nullptr) {
    return false;
  }
  if (!n.domain.empty()) return true;
  if (n.type.starts_with("Random") || n.type == "Multinomial" || n.type == "Bernoulli") return false;
  if (n.type == "Dropout" && n.input(2)) {
    const Tensor* training = m.constant(n.input(2));
    return training != nullptr && training->count() == 1 && training->as_double(0) == 0;
  }
  return true;
}

}  // namespace

bool is_pure(const Model& m, NodeId n) {
  if (!is_pure_alone(m, m[n])) return false;
  for (const GraphId s : m.subgraphs(n))
    for (const GraphId g : nested_graphs(m, s))
      for (NodeId inner = m[g].first; inner; inner = m[inner].next)
        if (!is_pure_alone(m, m[inner])) return false;
  return true;
}

std::optional<int64_t> static_bytes(const Type& t) {
  if (!t.is_tensor() || !t.shape || bit_width(t.dtype) == 0) return std::nullopt;
  const auto dims = as_constants(*t.shape);
  if (!dims) return std::nullopt;
  try {
    return byte_count(t.dtype, element_count(*dims));
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::optional<Shape> contents(const PassContext& ctx, ValueId v) {
  if (!v) return std::nullopt;
  if (const Tensor* t = ctx.model.constant(v)) {
    if (!(is_integer(t->dtype) || t->dtype == DType::Bool) || t->rank() > 1 || t->count() > kMaxContents)
      return std::nullopt;
    const std::vector<int64_t> values = t->to_i64();
    return Shape(values.begin(), values.end());
  }
  const auto it = ctx.values.find(v);
  if (it == ctx.values.end()) return std::nullopt;
  return it->second;
}

std::optional<std::vector<int64_t>> const_ints(const PassContext& ctx, ValueId v) {
  const auto c = contents(ctx, v);
  return c ? as_constants(*c) : std::nullopt;
}

const Shape* shape_of(const Model& m, ValueId v) {
  if (!v || !m[v].type.is_tensor() || !m[v].type.shape) return nullptr;
  return &*m[v].type.shape;
}

bool same_shape(const Model& m, ValueId a, ValueId b) {
  const Shape *x = shape_of(m, a), *y = shape_of(m, b);
  return x != nullptr && y != nullptr && *x == *y;
}

bool is_constant_number(const Model& m, ValueId v, double number) {
  const Tensor* t = m.constant(v);
  return t != nullptr && is_number(*t, number);
}

NodeId producer(const Model& m, ValueId v, std::string_view type) {
  if (!v) return {};
  const NodeId n = m[v].def;
  return n && m[n].is(type) && is_canonical(m[n]) ? n : NodeId{};
}

bool used_once(const Model& m, ValueId v) { return m[v].uses.size() == 1 && !m.is_hidden(m[v].uses[0].node); }

std::optional<int64_t> axis_of(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank) return std::nullopt;
  return axis < 0 ? axis + rank : axis;
}

}  // namespace lathe
