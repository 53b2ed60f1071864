#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {

LintDef refused_file() {
  return {.id = "refused-file",
          .group = "security",
          .severity = Severity::error,
          .summary = "the file cannot be loaded",
          .help =
              "The loader refuses what has no clear meaning or is dangerous to read: truncated and corrupt "
              "files, payloads that do not fit their shapes, cycles, functions that call themselves. Only "
              "lints that read the file itself are run then, and the exit code is 3.",
          .fix = "export the model again; do not load it elsewhere before the reason is understood",
          .reads_file = true,
          .run = [](Context& c) {
            if (c.refused()) c.report({Place::Kind::file, ""}, *c.refused());
          }};
}

}  // namespace lathe::lint
