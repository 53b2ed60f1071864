#include "ir/core/walk.h"
#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {
namespace {

bool is_true(const Model& m, ValueId v) {
  const Tensor* t = m.constant(v);
  return t != nullptr && t->dtype == DType::Bool && t->count() == 1 && t->as_i64(0) != 0;
}

ValueId through_identity(const Model& m, ValueId v) {
  for (int i = 0; i < 100 && v && m[v].def && m[m[v].def].is("Identity"); ++i) v = m[m[v].def].input(0);
  return v;
}

void run(Context& c) {
  const Model& m = c.model();
  for_each_node(m, [&](NodeId n) {
    const Node& node = m[n];
    if (!node.is("Loop")) return;
    const GraphId body = node.attrs.graph("body");
    if (!body || m.outputs(body).empty() || m.inputs(body).size() < 2) return;
    constexpr int64_t kEndless = int64_t{1} << 40;
    const Tensor* trips = node.input(0) ? m.constant(node.input(0)) : nullptr;
    const bool unbounded =
        !node.input(0) || (trips != nullptr && trips->count() == 1 && trips->as_i64(0) >= kEndless);
    const ValueId condition = through_identity(m, m.outputs(body)[0]);
    const bool kept = condition == m.inputs(body)[1];
    const bool starts = !node.input(1) || is_true(m, node.input(1));
    if (unbounded && starts && (kept || is_true(m, condition)))
      c.at_node(n, "no trip count, and its condition stays true");
  });
}

}  // namespace

LintDef endless_loop() {
  return {.id = "endless-loop",
          .group = "security",
          .severity = Severity::error,
          .summary = "a Loop that never ends",
          .help =
              "Without a trip count (or with one beyond 2^40) and with a condition that no iteration "
              "changes, it runs until the process is killed; a tool that folds constants hangs on it.",
          .fix = "export the model again; do not run it",
          .run = run};
}

}  // namespace lathe::lint
