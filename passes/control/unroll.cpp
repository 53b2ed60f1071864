// A Loop that runs a small, constant number of times becomes that many copies of its body. The copies are the
// body's own nodes, one iteration reading the last one's results, so there is nothing to run.
#include <fmt/format.h>

#include "ir/core/walk.h"
#include "ir/onnx/lift.h"
#include "passes/all_passes.h"
#include "passes/control/clone.h"
#include "passes/core/facts.h"

namespace lathe {
namespace {

struct Limits {
  int64_t trips, nodes;
};

bool is_true(const PassContext& ctx, ValueId v) {
  const auto c = const_ints(ctx, v);
  return c && c->size() == 1 && (*c)[0] != 0;
}

// The body keeps going whatever happens: its condition is what came in, or true.
bool never_stops(const PassContext& ctx, GraphId body) {
  const Model& m = ctx.model;
  const std::vector<ValueId> in = m.inputs(body), out = m.outputs(body);
  if (in.size() < 2 || out.empty()) return false;
  ValueId condition = out[0];
  while (const NodeId pass_on = producer(m, condition, "Identity")) condition = m[pass_on].in[0];
  return condition == in[1] || is_true(ctx, condition);
}

// Number of iterations; nullopt with a reason.
std::optional<int64_t> trips_of(PassContext& ctx, NodeId n, const Limits& limits) {
  const Model& m = ctx.model;
  const GraphId body = m[n].attrs.graph("body");
  const auto trips = const_ints(ctx, m[n].input(0));
  if (!body || !trips || trips->size() != 1 || (*trips)[0] < 0) return std::nullopt;
  if ((m[n].input(1) && !is_true(ctx, m[n].input(1))) || !never_stops(ctx, body)) {
    ctx.missed("unroll", n, "its condition may stop it early");
    return std::nullopt;
  }
  int64_t nodes = 0;
  for (const GraphId g : nested_graphs(m, body)) nodes += static_cast<int64_t>(m.nodes(g).size());
  if ((*trips)[0] > limits.trips || nodes * (*trips)[0] > limits.nodes) {
    ctx.missed("unroll", n, fmt::format("{} iterations of {} nodes", (*trips)[0], nodes));
    return std::nullopt;
  }
  const size_t carried = m[n].in.size() < 2 ? 0 : m[n].in.size() - 2;
  const bool scans = m[n].out.size() > carried;
  const bool fits = m.inputs(body).size() == carried + 2 && m.outputs(body).size() == m[n].out.size() + 1;
  if (!fits || (scans && (*trips)[0] == 0)) return std::nullopt;
  return (*trips)[0];
}

void unroll_at(Model& m, NodeId n, int64_t trips) {
  const GraphId g = m[n].parent, body = m[n].attrs.graph("body");
  const std::vector<ValueId> params = m.inputs(body);
  std::vector<ValueId> state(m[n].in.begin() + 2, m[n].in.end());
  const size_t scans = m[n].out.size() - state.size();
  std::vector<std::vector<ValueId>> slices(scans);
  const std::string name = m[n].name.empty() ? "loop" : m[n].name;
  const ValueId going =
      m.add_initializer(g, Tensor::full(DType::Bool, {}, 1), m.unique_name(name + "/going"));
  const ValueId front =
      scans == 0 ? ValueId{} : m.add_initializer(g, Tensor::of_i64({0}), m.unique_name(name + "/axis"));
  for (int64_t i = 0; i < trips; ++i) {
    std::unordered_map<ValueId, ValueId> map;
    map[params[0]] = m.add_initializer(g, Tensor::scalar_i64(i), m.unique_name(name + "/i"));
    map[params[1]] = going;
    for (size_t k = 0; k < state.size(); ++k) map[params[k + 2]] = state[k];
    const std::vector<ValueId> out =
        clone_graph(m, body, {.into = g, .before = n, .prefix = fmt::format("{}/{}/", name, i)}, map);
    std::copy(out.begin() + 1, out.begin() + 1 + static_cast<std::ptrdiff_t>(state.size()), state.begin());
    for (size_t k = 0; k < scans; ++k) {
      const NodeId u = m.create("", "Unsqueeze", {out[1 + state.size() + k], front}, {}, 1,
                                m.unique_name(name + "/Unsqueeze"), {m.unique_name(name + "/row")});
      m.place(u, g, n);
      slices[k].push_back(m[u].out[0]);
    }
  }
  const std::vector<ValueId> results = m[n].out;
  for (size_t k = 0; k < results.size(); ++k) {
    if (!results[k]) continue;
    ValueId to;
    if (k < state.size()) {
      to = state[k];
    } else {
      Attrs axis;
      axis.set("axis", int64_t{0});
      const NodeId c = m.create("", "Concat", slices[k - state.size()], std::move(axis), 1,
                                m.unique_name(name + "/Concat"), {m.unique_name(name + "/rows")});
      m.place(c, g, n);
      to = m[c].out[0];
    }
    m.replace_uses(results[k], to);
  }
  m.erase(n);
}

}  // namespace

PassDef unroll() {
  return {
      .name = "unroll",
      .group = "control",
      .summary = "Replace a Loop with a small constant trip count by copies of its body",
      .options = {{"max-trips", "iterations", "8"}, {"max-nodes", "nodes that one loop may become", "512"}},
      .run = [](PassContext& ctx, const PassOptions& o) {
        const Limits limits{o.integer("max-trips"), o.integer("max-nodes")};
        for (const GraphId g : nested_graphs(ctx.model, ctx.model.main()))
          for (const NodeId n : ctx.model.nodes(g)) {
            if (!ctx.model[n].is("Loop") || !is_canonical(ctx.model[n])) continue;
            const auto trips = trips_of(ctx, n, limits);
            if (!trips) continue;
            if (!ctx.spend("unroll", node_label(ctx.model, n), fmt::format("{} iterations", *trips))) return;
            unroll_at(ctx.model, n, *trips);
          }
      }};
}

}  // namespace lathe
