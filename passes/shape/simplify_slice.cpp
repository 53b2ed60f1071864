// Slice of a Slice becomes one Slice.
//   different axes:  starts, ends, axes and steps side by side
//   the same axis:   positions add up, steps multiply; bounds must be non-negative, or the dim known
#include <algorithm>
#include <limits>
#include <map>

#include "passes/all_passes.h"
#include "passes/core/facts.h"
#include "passes/core/sweep.h"

namespace lathe {
namespace {

constexpr int64_t kEnd = std::numeric_limits<int64_t>::max();

struct Cut {
  int64_t start, end, step;
};
using Cuts = std::map<int64_t, Cut>;  // by axis

std::optional<Cuts> cuts_of(const PassContext& ctx, const Node& n) {
  const Shape* x = shape_of(ctx.model, n.input(0));
  const auto starts = const_ints(ctx, n.input(1)), ends = const_ints(ctx, n.input(2));
  if (x == nullptr || !starts || !ends || starts->size() != ends->size()) return std::nullopt;
  const auto axes = n.input(3) ? const_ints(ctx, n.input(3)) : std::optional(std::vector<int64_t>{});
  const auto steps = n.input(4) ? const_ints(ctx, n.input(4)) : std::optional(std::vector<int64_t>{});
  if (!axes || !steps || (n.input(3) && axes->size() != starts->size()) ||
      (n.input(4) && steps->size() != starts->size()))
    return std::nullopt;
  Cuts out;
  for (size_t i = 0; i < starts->size(); ++i) {
    const auto axis =
        axis_of(n.input(3) ? (*axes)[i] : static_cast<int64_t>(i), static_cast<int64_t>(x->size()));
    const Cut cut{(*starts)[i], (*ends)[i], n.input(4) ? (*steps)[i] : 1};
    if (!axis || cut.step == 0 || !out.emplace(*axis, cut).second) return std::nullopt;
  }
  return out;
}

// Both cuts on one axis of size d. Only forwards; negative bounds count from the end of what is cut, which
// is known for a constant dim alone.
std::optional<Cut> joined(Cut a, Cut b, const Dim& d, const Dim& between) {
  if (a.step < 1 || b.step < 1) return std::nullopt;
  const auto settle = [](Cut& c, const Dim& size) {
    for (int64_t* bound : {&c.start, &c.end}) {
      if (*bound >= 0) continue;
      const auto n = size.constant();
      if (!n) return false;
      *bound = std::max<int64_t>(0, *bound + *n);
    }
    return true;
  };
  if (!settle(a, d) || !settle(b, between)) return std::nullopt;
  // Positions are clamped to the dim at run time; the sums must only not wrap.
  const auto at = [&](int64_t i) -> int64_t {
    int64_t scaled, sum;
    if (__builtin_mul_overflow(i, a.step, &scaled) || __builtin_add_overflow(a.start, scaled, &sum))
      return kEnd;
    return sum;
  };
  Cut out{at(b.start), std::min(a.end, at(b.end)), 1};
  if (out.start == kEnd || __builtin_mul_overflow(a.step, b.step, &out.step)) return std::nullopt;
  return out;
}

bool join(PassContext& ctx, NodeId n) {
  Model& m = ctx.model;
  const NodeId first = producer(m, m[n].input(0), "Slice");
  if (!first) return false;
  const auto outer = cuts_of(ctx, m[n]);
  auto all = cuts_of(ctx, m[first]);
  if (!outer || !all) return false;
  const Shape x = *shape_of(m, m[first].in[0]), between = *shape_of(m, m[n].in[0]);
  for (const auto& [axis, cut] : *outer) {
    const auto [it, fresh] = all->emplace(axis, cut);
    if (fresh) continue;
    const auto i = static_cast<size_t>(axis);
    const auto both = joined(it->second, cut, x[i], between[i]);
    if (!both) {
      ctx.missed("slice-twice", n, "both cut one axis with bounds from its end, and its size is not known");
      return false;
    }
    it->second = *both;
  }
  std::vector<int64_t> starts, ends, axes, steps;
  for (const auto& [axis, cut] : *all) {
    axes.push_back(axis);
    starts.push_back(cut.start);
    ends.push_back(cut.end);
    steps.push_back(cut.step);
  }
  Builder b(m, ctx.values, n);
  std::vector<ValueId> in = {m[first].in[0], b.ints(starts, "starts"), b.ints(ends, "ends"),
                             b.ints(axes, "axes")};
  if (std::any_of(steps.begin(), steps.end(), [](int64_t s) { return s != 1; }))
    in.push_back(b.ints(steps, "steps"));
  const ValueId made = b.op("Slice", std::move(in));
  return replace_node(ctx, "slice-twice", b, n, {first}, made);
}

}  // namespace

PassDef simplify_slice() {
  return {.name = "simplify-slice",
          .group = "shape",
          .summary = "Make one Slice of two, on the same axis or on different ones",
          .run = [](PassContext& ctx, const PassOptions&) {
            const std::vector<NodeRewrite> rewrites = {{"Slice", join}};
            sweep(ctx, rewrites);
          }};
}

}  // namespace lathe
