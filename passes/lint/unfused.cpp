#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {

LintDef unfused() {
  return {.id = "unfused",
          .group = "speed",
          .summary = "several nodes that one kernel of the target does faster",
          .help =
              "The fusion rules of onnx-opt (docs/passes.md) match here after simplifying, for the target "
              "given. The passes themselves are run on a copy, so what is said is what they would do. "
              "A runtime may fuse some of it when it loads the model, each time again.",
          .fix = "onnx-opt --passes=fuse (see docs/passes.md for each)",
          .run = [](Context& c) {
            for (const Rewrite& r : c.rewrites())
              if (r.group == "fusion")
                c.report({Place::Kind::node, r.node}, fmt::format("{} applies ({})", r.pass, r.rule));
          }};
}

}  // namespace lathe::lint
