#include <map>
#include <utility>
#include <vector>

#include "ir/core/walk.h"
#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {
namespace {

constexpr uint64_t kMany = 1'000'000, kMost = uint64_t{1} << 62;

// Of main or a function: nodes of its own, and how often it calls which function.
struct Body {
  uint64_t own = 0;
  std::map<size_t, uint64_t> calls;
};

Body body_of(const Model& m, GraphId root) {
  Body b;
  for (const GraphId g : nested_graphs(m, root))
    for (NodeId n = m[g].first; n; n = m[n].next) {
      if (const Function* f = m.function(m[n]))
        ++b.calls[static_cast<size_t>(f - m.functions.data())];
      else
        ++b.own;
    }
  return b;
}

uint64_t inlined(const Body& b, const std::vector<uint64_t>& sizes) {
  uint64_t total = b.own;
  for (const auto& [f, times] : b.calls)
    total = sizes[f] > (kMost - total) / times ? kMost : total + sizes[f] * times;
  return total;
}

void run(Context& c) {
  const Model& m = c.spelled();
  if (m.functions.empty()) return;
  std::vector<Body> bodies;
  for (const Function& f : m.functions) bodies.push_back(body_of(m, f.body));
  // Callees first; the loader refuses functions that call themselves.
  std::vector<uint64_t> sizes(bodies.size());
  std::vector<bool> done(bodies.size());
  for (size_t root = 0; root < bodies.size(); ++root) {
    std::vector<std::pair<size_t, std::map<size_t, uint64_t>::const_iterator>> stack;
    if (!done[root]) stack.emplace_back(root, bodies[root].calls.begin());
    while (!stack.empty()) {
      auto& [f, next] = stack.back();
      if (next == bodies[f].calls.end()) {
        sizes[f] = inlined(bodies[f], sizes);
        done[f] = true;
        stack.pop_back();
        continue;
      }
      const size_t callee = (next++)->first;
      if (!done[callee]) stack.emplace_back(callee, bodies[callee].calls.begin());
    }
  }
  const uint64_t total = inlined(body_of(m, m.main()), sizes);
  if (total >= kMany && total / 100 > node_count(m))
    c.report({Place::Kind::model, ""}, fmt::format("{} nodes become {}{} once functions are inlined",
                                                   node_count(m), total >= kMost ? "more than " : "", total));
}

}  // namespace

LintDef call_bomb() {
  return {.id = "call-bomb",
          .group = "security",
          .severity = Severity::error,
          .summary = "functions that call functions without measure",
          .help =
              "A few dozen functions that each call the next one twice are millions of nodes once inlined: "
              "checkers and runtimes hang (\"billion laughs\"). Told from a million nodes on, a hundred "
              "times those of the file.",
          .fix = "do not load it in a runtime that inlines functions",
          .run = run};
}

}  // namespace lathe::lint
