#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {

LintDef contradiction() {
  return {.id = "contradiction",
          .group = "interface",
          .severity = Severity::error,
          .summary = "types or shapes that cannot both hold",
          .help =
              "Shape analysis found two nodes that need different sizes, or a node whose operands it cannot "
              "take: the model fails for every input. Lints that need shapes see less of it.",
          .fix = "export the model again, or mend the nodes that are named",
          .run = [](Context& c) {
            if (const auto& why = c.contradiction()) c.report({Place::Kind::model, ""}, *why);
          }};
}

}  // namespace lathe::lint
