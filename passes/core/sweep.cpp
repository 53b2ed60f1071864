#include "passes/core/sweep.h"

#include <algorithm>
#include <unordered_map>

#include "ir/core/walk.h"
#include "ir/onnx/lift.h"

namespace lathe {

uint64_t sweep(PassContext& ctx, std::span<const NodeRewrite> rewrites, Direction direction) {
  std::unordered_map<std::string, std::vector<const NodeRewrite*>> by_op;
  std::vector<const NodeRewrite*> everywhere;
  for (const NodeRewrite& r : rewrites) (r.op == "*" ? everywhere : by_op[r.op]).push_back(&r);
  const auto at_node = [&](NodeId n) {
    for (const NodeRewrite* r : everywhere)
      if (r->at(ctx, n)) return;
    if (!ctx.model[n].domain.empty()) return;
    const auto it = by_op.find(ctx.model[n].type);
    if (it == by_op.end()) return;
    for (const NodeRewrite* r : it->second)
      if (r->at(ctx, n)) return;
  };

  const uint64_t before = ctx.commits;
  constexpr int kMaxSweeps = 16;  // a bound, should two rewrites undo each other
  for (int round = 0; round < kMaxSweeps; ++round) {
    const uint64_t at_start = ctx.commits;
    for (const GraphId g : nested_graphs(ctx.model, ctx.model.main())) {
      std::vector<NodeId> nodes = ctx.model.nodes(g);
      if (direction == Direction::backwards) std::reverse(nodes.begin(), nodes.end());
      for (const NodeId n : nodes) {
        if (ctx.out_of_fuel()) return ctx.commits - before;
        if (!ctx.model[n].erased && is_canonical(ctx.model[n])) at_node(n);
      }
    }
    if (ctx.commits == at_start) break;
  }
  return ctx.commits - before;
}

bool replace_node(PassContext& ctx, std::string rule, NodeId n, ValueId with, std::string what) {
  const Model& m = ctx.model;
  Builder none(ctx.model, ctx.values, n);
  // A value from further up: what is in between runs too, or the two would be independent.
  std::vector<NodeId> context;
  if (std::find(m[n].in.begin(), m[n].in.end(), with) == m[n].in.end())
    for (const ValueId v : m[n].in)
      if (v && m[v].def && !m.is_hidden(m[v].def)) context.push_back(m[v].def);
  return ctx.commit(none, {.rule = std::move(rule),
                           .root = n,
                           .taken = {n},
                           .context = std::move(context),
                           .replace = {{ctx.model[n].output(0), with}},
                           .exactness = Exactness::bitwise,
                           .what = std::move(what)});
}

bool replace_node(PassContext& ctx, std::string rule, Builder& b, NodeId n, std::vector<NodeId> also_taken,
                  ValueId with, Exactness exactness) {
  also_taken.push_back(n);
  return ctx.commit(b, {.rule = std::move(rule),
                        .root = n,
                        .taken = std::move(also_taken),
                        .replace = {{ctx.model[n].output(0), with}},
                        .exactness = exactness});
}

}  // namespace lathe
