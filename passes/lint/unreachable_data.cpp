#include <algorithm>
#include <unordered_set>

#include "ir/core/walk.h"
#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {
namespace {

constexpr size_t kSmallest = 256;  // bytes

// Functions that main calls, through others too.
std::unordered_set<uint32_t> called_bodies(const Model& m) {
  std::unordered_set<uint32_t> seen;
  std::vector<GraphId> stack = {m.main()};
  while (!stack.empty()) {
    const GraphId g = stack.back();
    stack.pop_back();
    for (const GraphId inner : nested_graphs(m, g))
      for (NodeId n = m[inner].first; n; n = m[n].next)
        if (const Function* f = m.function(m[n]); f != nullptr && seen.insert(f->body.v).second)
          stack.push_back(f->body);
  }
  return seen;
}

void run(Context& c) {
  const Model& m = c.spelled();
  for (const GraphId g : nested_graphs(m, m.main()))
    for (const ValueId v : m[g].initializers) {
      const Tensor* t = m[v].constant.get();
      if (t == nullptr || t->byte_size() < kSmallest || m[v].uses.empty()) continue;
      if (std::none_of(m[v].uses.begin(), m[v].uses.end(), [&](const Use& u) { return c.alive(u.node); }))
        c.at_constant(v, fmt::format("no output depends on its {} bytes", t->byte_size()));
    }
  const auto called = called_bodies(m);
  for (const Function& f : m.functions)
    if (!called.contains(f.body.v))
      c.report({Place::Kind::function, f.name}, "nothing calls it", Severity::warning);
}

}  // namespace

LintDef unreachable_data() {
  return {.id = "unreachable-data",
          .group = "security",
          .summary = "data that no output depends on",
          .help =
              "Initializers of 256 bytes and more that only dead nodes read, and functions that nothing "
              "calls: what travels with a model and is never run may be there for another reason. See "
              "unused-initializer for those that nothing reads at all.",
          .fix = "onnx-opt --passes=dce",
          .run = run};
}

}  // namespace lathe::lint
