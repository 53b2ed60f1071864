#include <algorithm>
#include <map>

#include "ir/core/walk.h"
#include "passes/core/remark.h"
#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {
namespace {

bool is_double(const Model& m, ValueId v) {
  return v && m[v].type.is_tensor() && m[v].type.dtype == DType::F64;
}

void run(Context& c) {
  const Model& m = c.model();
  bool floats = false;  // a model that is double throughout has no islands
  std::vector<NodeId> parent(m.node_capacity());
  const auto root = [&](NodeId n) {
    while (parent[n.v] != n) n = parent[n.v] = parent[parent[n.v].v];
    return n;
  };
  std::vector<NodeId> members;
  for_each_node(m, [&](NodeId n) {
    bool inside = false;
    for (const auto* list : {&m[n].in, &m[n].out})
      for (const ValueId v : *list) {
        inside = inside || (is_double(m, v) && !c.is_shape_math(v));
        floats = floats || (v && m[v].type.is_tensor() && m[v].type.dtype == DType::F32);
      }
    if (!inside || m[n].type == "Constant") return;
    parent[n.v] = n;
    members.push_back(n);
  });
  if (!floats) return;
  for (const NodeId n : members)
    for (const ValueId v : m[n].in)
      if (is_double(m, v) && m[v].def && parent[m[v].def.v])  // both inside
        parent[root(n).v] = root(m[v].def);
  std::map<NodeId, std::vector<NodeId>> islands;
  for (const NodeId n : members) islands[root(n)].push_back(n);
  for (const auto& [r, nodes] : islands) {
    std::vector<NodeId> work;
    for (const NodeId n : nodes)
      if (m[n].type != "Cast") work.push_back(n);
    if (work.empty()) continue;  // casts to and fro: that lint's matter
    c.at_node(work.front(), work.size() == 1 ? "1 node in float64"
                                             : fmt::format("{} nodes in float64 up to '{}'", work.size(),
                                                           node_label(m, work.back())));
  }
}

}  // namespace

LintDef float64_island() {
  return {.id = "float64-island",
          .group = "types",
          .summary = "float64 arithmetic inside a float32 model",
          .help =
              "A constant or default of the framework's language was double, and what it touches is computed "
              "at twice the width: half the speed on CPUs, a thirty-second on most GPUs, no kernel in "
              "browsers and phones. Scalars are not told.",
          .fix = "make the constant float32 in the model's source and export again",
          .run = run};
}

}  // namespace lathe::lint
