// Broadcasting that the next node does by itself.
//   Add (Expand (x, s), y)              =>  Add (x, y)          where y is of that shape already
//   Where (c, ConstantOfShape (s), y)   =>  Where (c, 0.0, y)
#include "passes/all_passes.h"
#include "passes/core/facts.h"
#include "passes/core/sweep.h"

namespace lathe {
namespace {

// The shape that numpy broadcasting gives; nullopt where a dim of the result is not plain.
std::optional<Shape> broadcast(const Shape& a, const Shape& b) {
  Shape out;
  const size_t rank = std::max(a.size(), b.size());
  for (size_t i = 0; i < rank; ++i) {
    const Dim x = i < rank - a.size() ? Dim(1) : a[i - (rank - a.size())];
    const Dim y = i < rank - b.size() ? Dim(1) : b[i - (rank - b.size())];
    if (x == y || y.is_const(1))
      out.push_back(x);
    else if (x.is_const(1))
      out.push_back(y);
    else
      return std::nullopt;
  }
  return out;
}

// The narrow value behind an operand: what Expand read, or the one number of a ConstantOfShape.
ValueId narrow(Builder& b, ValueId v) {
  Model& m = b.model();
  if (const NodeId e = producer(m, v, "Expand")) return m[e].in[0];
  if (const NodeId c = producer(m, v, "ConstantOfShape")) {
    const TensorPtr value = m[c].attrs.tensor("value");
    Tensor t = value ? value->reshaped({}) : Tensor::full(DType::F32, {}, 0);
    return b.constant(std::move(t), "fill");
  }
  return {};
}

bool drop_expand(PassContext& ctx, NodeId n) {
  Model& m = ctx.model;
  const OpDef* def = op_registry().find(m[n]);
  if (def == nullptr || !def->elementwise || m[n].in.size() < 2 || m[n].out.size() != 1) return false;
  const Shape* whole = shape_of(m, m[n].out[0]);
  if (whole == nullptr) return false;
  if (m[n].is("PRelu")) return false;  // its slope broadcasts to x, not the other way round
  const Shape want = *whole;
  for (size_t i = 0; i < m[n].in.size(); ++i) {
    const ValueId v = m[n].in[i];
    const NodeId made_by = v ? m[v].def : NodeId{};
    if (!made_by || (!m[made_by].is("Expand") && !m[made_by].is("ConstantOfShape"))) continue;
    Builder b(m, ctx.values, n);
    std::vector<ValueId> in = m[n].in;
    in[i] = narrow(b, v);
    const auto all = [&]() -> std::optional<Shape> {
      std::optional<Shape> shape = Shape{};
      for (const ValueId o : in) {
        const Shape* s = shape_of(m, o);
        if (s == nullptr || !(shape = broadcast(*shape, *s))) return std::nullopt;
      }
      return shape;
    }();
    if (!all || *all != want) {
      b.discard();
      continue;
    }
    Attrs same = m[n].attrs;
    const std::string type = m[n].type, domain = m[n].domain;
    const ValueId made = b.op(type, std::move(in), std::move(same), domain);
    // The fill runs with the old side even where others read it too: the two operands are not independent.
    const bool committed = ctx.commit(b, {.rule = "broadcast-by-itself",
                                          .root = n,
                                          .taken = {n},
                                          .context = {made_by},
                                          .replace = {{m[n].out[0], made}},
                                          .exactness = def->exactness});
    if (committed) return true;
  }
  return false;
}

// Expand of Expand: the first one's shape does not matter.
bool join(PassContext& ctx, NodeId n) {
  Model& m = ctx.model;
  const NodeId first = producer(m, m[n].input(0), "Expand");
  if (!first) return false;
  const Shape *x = shape_of(m, m[first].in[0]), *y = shape_of(m, m[n].out[0]);
  const auto whole = contents(ctx, m[n].in[1]);
  if (x == nullptr || y == nullptr || !whole || *whole != *y) return false;
  Builder b(m, ctx.values, n);
  const ValueId made = b.op("Expand", {m[first].in[0], m[n].in[1]});
  return replace_node(ctx, "expand-twice", b, n, {first}, made);
}

}  // namespace

PassDef simplify_expand() {
  return {.name = "simplify-expand",
          .group = "shape",
          .summary = "Leave broadcasting to the node that does it anyway",
          .run = [](PassContext& ctx, const PassOptions&) {
            const std::vector<NodeRewrite> rewrites = {{"*", drop_expand}, {"Expand", join}};
            sweep(ctx, rewrites);
          }};
}

}  // namespace lathe
