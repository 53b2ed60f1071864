// Concat of Concats, and Concats with empty or neighbouring constant parts.
//   Concat (Concat (a, b), c)          =>  Concat (a, b, c)
//   Concat (a, empty, b)               =>  Concat (a, b)
//   Concat (Slice (x, 0:4), Slice (x, 4:end))  =>  x
#include <algorithm>
#include <limits>

#include "passes/all_passes.h"
#include "passes/core/facts.h"
#include "passes/core/sweep.h"

namespace lathe {
namespace {

std::optional<int64_t> concat_axis(const Model& m, NodeId n) {
  const int64_t rank = m[m[n].output(0)].type.rank();
  return rank < 0 ? std::nullopt : axis_of(m[n].attrs.i("axis", 0), rank);
}

bool rebuild(PassContext& ctx, NodeId n, std::string rule, std::vector<ValueId> parts,
             std::vector<NodeId> taken) {
  Model& m = ctx.model;
  Builder b(m, ctx.values, n);
  Attrs same = m[n].attrs;
  const ValueId made = parts.size() == 1 ? parts[0] : b.op("Concat", std::move(parts), std::move(same));
  return replace_node(ctx, std::move(rule), b, n, std::move(taken), made);
}

bool flatten(PassContext& ctx, NodeId n) {
  const Model& m = ctx.model;
  const auto axis = concat_axis(m, n);
  if (!axis) return false;
  std::vector<ValueId> parts;
  std::vector<NodeId> taken;
  for (const ValueId v : m[n].in) {
    const NodeId inner = producer(m, v, "Concat");
    if (inner && used_once(m, v) && concat_axis(m, inner) == axis) {
      taken.push_back(inner);
      parts.insert(parts.end(), m[inner].in.begin(), m[inner].in.end());
    } else {
      parts.push_back(v);
    }
  }
  return !taken.empty() && rebuild(ctx, n, "concat-of-concat", std::move(parts), std::move(taken));
}

bool drop_empty(PassContext& ctx, NodeId n) {
  const Model& m = ctx.model;
  const auto axis = concat_axis(m, n);
  if (!axis) return false;
  std::vector<ValueId> parts;
  for (const ValueId v : m[n].in) {
    const Shape* s = shape_of(m, v);
    if (s == nullptr || s->size() <= static_cast<size_t>(*axis) ||
        !(*s)[static_cast<size_t>(*axis)].is_const(0))
      parts.push_back(v);
  }
  if (parts.empty() || parts.size() == m[n].in.size()) return false;
  return rebuild(ctx, n, "concat-with-empty", std::move(parts), {});
}

// Pieces of one tensor along the axis, in order and without gaps, from its start to its end.
bool rejoin_slices(PassContext& ctx, NodeId n) {
  const Model& m = ctx.model;
  const auto axis = concat_axis(m, n);
  const NodeId first = producer(m, m[n].input(0), "Slice");
  if (!axis || !first || !same_shape(m, m[first].input(0), m[n].output(0))) return false;
  const ValueId x = m[first].input(0);
  int64_t at = 0;
  std::vector<NodeId> taken;
  for (size_t i = 0; i < m[n].in.size(); ++i) {
    const NodeId s = producer(m, m[n].in[i], "Slice");
    if (!s || m[s].input(0) != x) return false;
    const auto starts = const_ints(ctx, m[s].input(1)), ends = const_ints(ctx, m[s].input(2));
    const auto axes = const_ints(ctx, m[s].input(3));
    const auto steps =
        m[s].input(4) ? const_ints(ctx, m[s].input(4)) : std::optional(std::vector<int64_t>{1});
    const auto one = [](const auto& list) { return list && list->size() == 1; };
    if (!one(starts) || !one(ends) || !one(axes) || !one(steps) || (*steps)[0] != 1) return false;
    if (axis_of((*axes)[0], m[x].type.rank()) != axis || (*starts)[0] != at || (*ends)[0] <= at) return false;
    at = (*ends)[0];
    taken.push_back(s);
  }
  const Dim size = (*shape_of(m, x))[static_cast<size_t>(*axis)];
  const bool to_end = at == std::numeric_limits<int64_t>::max() || (size.is_const() && at >= size.value());
  return to_end && rebuild(ctx, n, "slices-joined", {x}, std::move(taken));
}

}  // namespace

PassDef simplify_concat() {
  return {.name = "simplify-concat",
          .group = "shape",
          .summary = "Flatten Concat of Concat, drop empty parts, undo cuts",
          .run = [](PassContext& ctx, const PassOptions&) {
            const std::vector<NodeRewrite> rewrites = {
                {"Concat", rejoin_slices}, {"Concat", drop_empty}, {"Concat", flatten}};
            sweep(ctx, rewrites);
          }};
}

}  // namespace lathe
