// Nodes whose first output is one of their inputs, bit for bit. That -0 + 0 is +0 is not counted as a
// difference: both are zero to every comparison, and ONNX promises no sign of zero.
#include <algorithm>

#include "ir/core/walk.h"
#include "passes/all_passes.h"
#include "passes/core/facts.h"
#include "passes/core/sweep.h"

namespace lathe {
namespace {

// An Identity that only gives an output its name: saving would have to write it again.
bool names_an_output(const Model& m, NodeId n) {
  const ValueId x = m[n].input(0), y = m[n].output(0);
  if (!m.is_graph_output(y)) return false;
  return !m[x].def || m.is_hidden(m[x].def) || m.is_graph_output(x) || m[x].graph != m[n].parent;
}

ValueId same_as(const PassContext&, const Node& n) { return n.input(0); }

ValueId if_inference(const PassContext& ctx, const Node& n) {
  const ValueId training = n.input(2);
  const bool off = !training || is_constant_number(ctx.model, training, 0);
  const bool mask_used = n.output(1) && !ctx.model[n.output(1)].uses.empty();
  return off && !mask_used ? n.input(0) : ValueId{};
}

ValueId if_same_type(const PassContext& ctx, const Node& n) {
  const DType from = ctx.model[n.input(0)].type.dtype;
  return from != DType::Undefined && from == ctx.model[n.output(0)].type.dtype ? n.input(0) : ValueId{};
}

// Ops that keep the row-major order of the elements.
ValueId if_same_shape(const PassContext& ctx, const Node& n) {
  return same_shape(ctx.model, n.input(0), n.output(0)) ? n.input(0) : ValueId{};
}

ValueId if_whole_slice(const PassContext& ctx, const Node& n) {
  if (!same_shape(ctx.model, n.input(0), n.output(0))) return {};
  if (!n.input(4)) return n.input(0);
  const auto steps = const_ints(ctx, n.input(4));
  const bool forwards = steps && std::all_of(steps->begin(), steps->end(), [](int64_t s) { return s == 1; });
  return forwards ? n.input(0) : ValueId{};
}

ValueId if_no_pads(const PassContext& ctx, const Node& n) {
  const auto pads = const_ints(ctx, n.input(1));
  return pads && std::all_of(pads->begin(), pads->end(), [](int64_t p) { return p == 0; }) ? n.input(0)
                                                                                           : ValueId{};
}

ValueId if_identity_perm(const PassContext& ctx, const Node& n) {
  const Shape* x = shape_of(ctx.model, n.input(0));
  const auto perm = n.attrs.ints("perm");
  if (perm.empty()) return x != nullptr && x->size() <= 1 ? n.input(0) : ValueId{};
  for (size_t i = 0; i < perm.size(); ++i)
    if (perm[i] != static_cast<int64_t>(i)) return {};
  return n.input(0);
}

ValueId if_one_operand(const PassContext&, const Node& n) { return n.in.size() == 1 ? n.in[0] : ValueId{}; }

ValueId if_one_part(const PassContext& ctx, const Node& n) {
  return n.out.size() == 1 && same_shape(ctx.model, n.input(0), n.output(0)) ? n.input(0) : ValueId{};
}

// The operand `i` where the other one is this number everywhere and does not widen the result.
ValueId beside_number(const PassContext& ctx, const Node& n, size_t i, double number) {
  const Model& m = ctx.model;
  const ValueId x = n.input(i), c = n.input(1 - i);
  const Tensor* t = m.constant(c);
  if (!x || t == nullptr || !is_constant_number(m, c, number)) return {};
  const Shape* shape = shape_of(m, x);
  const bool one = t->count() == 1 && (t->rank() == 0 || (shape && t->dims.size() <= shape->size()));
  return one || same_shape(m, x, n.output(0)) ? x : ValueId{};
}

ValueId plus_zero(const PassContext& ctx, const Node& n) {
  const ValueId x = beside_number(ctx, n, 0, 0);
  return x ? x : beside_number(ctx, n, 1, 0);
}
ValueId minus_zero(const PassContext& ctx, const Node& n) { return beside_number(ctx, n, 0, 0); }
ValueId times_one(const PassContext& ctx, const Node& n) {
  const ValueId x = beside_number(ctx, n, 0, 1);
  return x ? x : beside_number(ctx, n, 1, 1);
}
ValueId right_one(const PassContext& ctx, const Node& n) { return beside_number(ctx, n, 0, 1); }

// Both masks at once: or-false and and-true.
ValueId or_false(const PassContext& ctx, const Node& n) { return plus_zero(ctx, n); }
ValueId and_true(const PassContext& ctx, const Node& n) { return times_one(ctx, n); }

ValueId if_chosen(const PassContext& ctx, const Node& n) {
  const Model& m = ctx.model;
  for (const size_t i : {1u, 2u})
    if (is_constant_number(m, n.input(0), i == 1 ? 1 : 0) && same_shape(m, n.input(i), n.output(0)))
      return n.input(i);
  return n.input(1) == n.input(2) && same_shape(m, n.input(1), n.output(0)) ? n.input(1) : ValueId{};
}

ValueId if_unbounded(const PassContext&, const Node& n) {
  return !n.input(1) && !n.input(2) ? n.input(0) : ValueId{};
}

// All of the axis, in order.
ValueId if_gathers_all(const PassContext& ctx, const Node& n) {
  const Model& m = ctx.model;
  const Tensor* index = m.constant(n.input(1));
  if (index == nullptr || index->rank() != 1 || !same_shape(m, n.input(0), n.output(0))) return {};
  const std::vector<int64_t> i = index->to_i64();
  for (size_t k = 0; k < i.size(); ++k)
    if (i[k] != static_cast<int64_t>(k)) return {};
  return n.input(0);
}

// Sum, mean, extreme or product over axes of size one.
ValueId if_reduces_nothing(const PassContext& ctx, const Node& n) {
  if (!same_shape(ctx.model, n.input(0), n.output(0))) return {};
  const Shape& x = *shape_of(ctx.model, n.input(0));
  std::vector<int64_t> all(x.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
  auto axes = n.input(1) ? const_ints(ctx, n.input(1)) : std::optional(std::vector<int64_t>{});
  if (!axes) return {};
  if (axes->empty()) {
    if (n.attrs.i("noop_with_empty_axes", 0) != 0) return n.input(0);
    axes = all;
  }
  for (const int64_t a : *axes) {
    const auto axis = axis_of(a, static_cast<int64_t>(x.size()));
    if (!axis || !x[static_cast<size_t>(*axis)].is_const(1)) return {};
  }
  return n.input(0);
}

// Every output of a Split in order, put together again.
ValueId if_joins_split(const PassContext& ctx, const Node& n) {
  const Model& m = ctx.model;
  const NodeId split = producer(m, n.input(0), "Split");
  if (!split || m[split].out != n.in || !same_shape(m, m[split].input(0), n.output(0))) return {};
  const int64_t rank = m[n.output(0)].type.rank();
  return axis_of(m[split].attrs.i("axis", 0), rank) == axis_of(n.attrs.i("axis", 0), rank) ? m[split].input(0)
                                                                                           : ValueId{};
}

struct NoOp {
  std::string_view op, rule;
  ValueId (*stands_for)(const PassContext&, const Node&);
};

constexpr NoOp kNoOps[] = {
    {"Identity", "identity", same_as},
    {"Dropout", "dropout", if_inference},
    {"Cast", "cast-same-type", if_same_type},
    {"CastLike", "cast-same-type", if_same_type},
    {"Reshape", "reshape-same-shape", if_same_shape},
    {"Flatten", "reshape-same-shape", if_same_shape},
    {"Squeeze", "reshape-same-shape", if_same_shape},
    {"Unsqueeze", "reshape-same-shape", if_same_shape},
    {"Expand", "expand-nothing", if_same_shape},
    {"Tile", "tile-once", if_same_shape},
    {"Slice", "whole-slice", if_whole_slice},
    {"Pad", "pad-nothing", if_no_pads},
    {"Transpose", "transpose-nothing", if_identity_perm},
    {"Concat", "concat-of-one", if_one_operand},
    {"Concat", "split-then-concat", if_joins_split},
    {"Sum", "sum-of-one", if_one_operand},
    {"Max", "max-of-one", if_one_operand},
    {"Min", "min-of-one", if_one_operand},
    {"Mean", "mean-of-one", if_one_operand},
    {"Split", "split-in-one", if_one_part},
    {"Add", "plus-zero", plus_zero},
    {"Sub", "minus-zero", minus_zero},
    {"Mul", "times-one", times_one},
    {"Div", "over-one", right_one},
    {"Pow", "power-one", right_one},
    {"Or", "or-false", or_false},
    {"And", "and-true", and_true},
    {"Where", "where-constant", if_chosen},
    {"Clip", "clip-unbounded", if_unbounded},
    {"Gather", "gather-all", if_gathers_all},
    {"ReduceSum", "reduce-nothing", if_reduces_nothing},
    {"ReduceMean", "reduce-nothing", if_reduces_nothing},
    {"ReduceMax", "reduce-nothing", if_reduces_nothing},
    {"ReduceMin", "reduce-nothing", if_reduces_nothing},
    {"ReduceProd", "reduce-nothing", if_reduces_nothing},
};

bool remove_at(PassContext& ctx, const NoOp& no_op, NodeId n) {
  const ValueId y = ctx.model[n].output(0);
  if (!y || !ctx.model[n].input(0) || ctx.model[y].uses.empty()) return false;
  const ValueId x = no_op.stands_for(ctx, ctx.model[n]);
  if (!x || names_an_output(ctx.model, n)) return false;
  return replace_node(ctx, std::string(no_op.rule), n, x);
}

}  // namespace

PassDef identity() {
  return {.name = "identity",
          .group = "cleanup",
          .summary = "Remove nodes that give one of their inputs back unchanged",
          .run = [](PassContext& ctx, const PassOptions&) {
            std::vector<NodeRewrite> rewrites;
            for (const NoOp& no_op : kNoOps)
              rewrites.push_back({std::string(no_op.op),
                                  [&no_op](PassContext& c, NodeId n) { return remove_at(c, no_op, n); }});
            sweep(ctx, rewrites);
          }};
}

}  // namespace lathe
