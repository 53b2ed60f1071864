#include <algorithm>

#include "ir/core/walk.h"
#include "ir/onnx/schema.h"
#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {
namespace {

void run(Context& c) {
  const Model& m = c.model();
  for_each_node(m, [&](NodeId n) {
    const Node& node = m[n];
    if (node.out.size() < 2 || !c.alive(n)) return;
    const Schema* s = find_schema(node.domain, node.type, newest_opset(node.domain));
    if (s == nullptr || s->max_outputs > static_cast<int>(s->output_names.size())) return;  // variadic
    for (size_t i = static_cast<size_t>(std::max(1, s->min_outputs)); i < node.out.size(); ++i)
      if (const ValueId v = node.out[i]; v && m[v].uses.empty())
        c.at_node(n, fmt::format("{}: nothing reads its optional output {}", node.type,
                                 i < s->output_names.size() ? s->output_names[i] : std::to_string(i)));
  });
}

}  // namespace

LintDef unused_output() {
  return {.id = "unused-output",
          .group = "structure",
          .severity = Severity::note,
          .summary = "an optional result that nothing reads",
          .help =
              "Masks of Dropout, indices of MaxPool, statistics of norms: some kernels compute them only "
              "because they are named, and some runtimes have no kernel that gives them.",
          .fix = "onnx-opt --passes=dce makes unused optional outputs empty",
          .run = run};
}

}  // namespace lathe::lint
