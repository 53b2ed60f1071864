#include "ir/core/walk.h"
#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {

LintDef dead_node() {
  return {.id = "dead-node",
          .group = "structure",
          .summary = "a node that no output depends on",
          .help = "It is computed by runtimes that do not remove it, or was meant to be used.",
          .fix = "onnx-opt --passes=dce",
          .run = [](Context& c) {
            const Model& m = c.spelled();
            for_each_node(m, [&](NodeId n) {
              if (c.model()[n].erased || c.alive(n)) return;
              // Unused constants are the exporter's litter: unused-initializer counts them.
              c.at_node(n, "no output depends on it",
                        m[n].type == "Constant" ? std::optional(Severity::note) : std::nullopt);
            });
          }};
}

}  // namespace lathe::lint
