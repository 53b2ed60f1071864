// Chains of Reshape, Flatten, Squeeze and Unsqueeze become one of them. Only the first shape and the last
// count, so a 0 in the second Reshape (which copies from the first one's output) needs no care of its own.
//   Unsqueeze (Unsqueeze (x, 1), 2)      =>  Unsqueeze (x, [1, 2])
//   Reshape (Reshape (x, a), b)          =>  Reshape (x, constant of the last shape)
//   Unsqueeze (ReduceSum (x, k), k)      =>  ReduceSum (x, k, keepdims)
#include <algorithm>

#include "ir/onnx/lift.h"
#include "passes/all_passes.h"
#include "passes/core/facts.h"
#include "passes/core/sweep.h"
#include "passes/shape/reshape_target.h"

namespace lathe {
namespace {

bool is_view(const Node& n) {
  return n.domain.empty() && is_canonical(n) &&
         (n.type == "Reshape" || n.type == "Flatten" || n.type == "Squeeze" || n.type == "Unsqueeze");
}

// Normalised axes of a Squeeze or Unsqueeze, sorted; nullopt if they are not constant or out of range.
std::optional<std::vector<int64_t>> axes_of(const PassContext& ctx, const Node& n) {
  const Model& m = ctx.model;
  const bool squeeze = n.type == "Squeeze";
  const Shape* shape = shape_of(m, squeeze ? n.input(0) : n.output(0));
  if (shape == nullptr) return std::nullopt;
  std::vector<int64_t> out;
  if (squeeze && !n.input(1)) {
    for (size_t i = 0; i < shape->size(); ++i) {
      if (!(*shape)[i].is_const()) return std::nullopt;
      if ((*shape)[i].is_const(1)) out.push_back(static_cast<int64_t>(i));
    }
    return out;
  }
  const auto axes = const_ints(ctx, n.input(1));
  if (!axes) return std::nullopt;
  for (const int64_t a : *axes) {
    const auto axis = axis_of(a, static_cast<int64_t>(shape->size()));
    if (!axis) return std::nullopt;
    out.push_back(*axis);
  }
  std::sort(out.begin(), out.end());
  if (std::adjacent_find(out.begin(), out.end()) != out.end()) return std::nullopt;
  return out;
}

// Axes (of the larger rank) that two steps in the same direction add together. `outer` are the axes of the
// step whose larger side is the whole one's larger side; those of `inner` count what is left.
std::vector<int64_t> joined_axes(const std::vector<int64_t>& outer, const std::vector<int64_t>& inner) {
  std::vector<int64_t> out = outer;
  for (int64_t a : inner) {
    for (const int64_t o : outer)
      if (o <= a) ++a;
    out.push_back(a);
  }
  std::sort(out.begin(), out.end());
  return out;
}

bool join_axes(PassContext& ctx, NodeId n, NodeId first) {
  Model& m = ctx.model;
  if (m[n].type != m[first].type) return false;
  const auto last_axes = axes_of(ctx, m[n]), first_axes = axes_of(ctx, m[first]);
  if (!last_axes || !first_axes) return false;
  const bool squeeze = m[n].type == "Squeeze";
  const std::vector<int64_t> axes =
      squeeze ? joined_axes(*first_axes, *last_axes) : joined_axes(*last_axes, *first_axes);
  Builder b(m, ctx.values, n);
  const std::string type = m[n].type;
  const ValueId made = b.op(type, {m[first].in[0], b.ints(axes)});
  return replace_node(ctx, squeeze ? "squeeze-twice" : "unsqueeze-twice", b, n, {first}, made);
}

bool join_views(PassContext& ctx, NodeId n) {
  Model& m = ctx.model;
  if (!is_view(m[n]) || !m[n].input(0)) return false;
  const NodeId first = m[m[n].in[0]].def;
  if (!first || !is_view(m[first]) || !m[first].input(0)) return false;
  const ValueId x = m[first].in[0];
  if (same_shape(m, x, m[n].out[0])) {
    Builder none(m, ctx.values, n);
    return replace_node(ctx, "view-and-back", none, n, {first}, x);
  }
  if ((m[n].is("Squeeze") || m[n].is("Unsqueeze")) && join_axes(ctx, n, first)) return true;
  const Shape *from = shape_of(m, x), *to = shape_of(m, m[n].out[0]);
  if (from == nullptr || to == nullptr) return false;
  const auto target = reshape_target(*from, *to);
  if (!target) return false;
  Builder b(m, ctx.values, n);
  const ValueId made = b.op("Reshape", {x, b.ints(*target, "shape")});
  return replace_node(ctx, "reshape-twice", b, n, {first}, made);
}

bool is_reduction(const Node& n) {
  return n.domain.empty() && is_canonical(n) && n.type.starts_with("Reduce") && n.attrs.i("keepdims", 1) == 0;
}

// The axes that a reduction takes away, put back.
bool keep_dims(PassContext& ctx, NodeId n) {
  Model& m = ctx.model;
  const NodeId reduce = m[n].input(0) ? m[m[n].in[0]].def : NodeId{};
  if (!reduce || !is_reduction(m[reduce]) || !used_once(m, m[n].in[0])) return false;
  const Shape* x = shape_of(m, m[reduce].input(0));
  const auto reduced = const_ints(ctx, m[reduce].input(1)), added = axes_of(ctx, m[n]);
  if (x == nullptr || !reduced || reduced->empty() || !added) return false;
  std::vector<int64_t> axes;
  for (const int64_t a : *reduced) {
    const auto axis = axis_of(a, static_cast<int64_t>(x->size()));
    if (!axis) return false;
    axes.push_back(*axis);
  }
  std::sort(axes.begin(), axes.end());
  if (axes != *added) return false;
  Builder b(m, ctx.values, n);
  Attrs kept = m[reduce].attrs;
  kept.set("keepdims", int64_t{1});
  const std::string type = m[reduce].type;
  const ValueId made = b.op(type, {m[reduce].in[0], m[reduce].in[1]}, std::move(kept));
  return replace_node(ctx, "reduce-keeps-dims", b, n, {reduce}, made);
}

}  // namespace

PassDef simplify_reshape() {
  return {.name = "simplify-reshape",
          .group = "shape",
          .summary = "Make one of chains of Reshape, Flatten, Squeeze and Unsqueeze",
          .run = [](PassContext& ctx, const PassOptions&) {
            const std::vector<NodeRewrite> rewrites = {{"Unsqueeze", keep_dims},
                                                       {"Reshape", join_views},
                                                       {"Flatten", join_views},
                                                       {"Squeeze", join_views},
                                                       {"Unsqueeze", join_views}};
            sweep(ctx, rewrites);
          }};
}

}  // namespace lathe
