#include "ir/core/walk.h"
#include "ir/ops/op_def.h"
#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {

LintDef unseeded_random() {
  return {.id = "unseeded-random",
          .group = "structure",
          .severity = Severity::note,
          .summary = "a random result without a seed",
          .help = "Two runs on one input differ, so results cannot be compared, cached or tested exactly.",
          .fix = "set the attribute 'seed', or feed the noise as an input",
          .run = [](Context& c) {
            const Model& m = c.model();
            for_each_node(m, [&](NodeId n) {
              const OpDef* def = op_registry().find(m[n]);
              if (def != nullptr && def->exactness == Exactness::random && !m[n].attrs.has("seed") &&
                  !m[n].is("Dropout"))
                c.at_node(n, fmt::format("{} draws new numbers at each run", m[n].type));
            });
          }};
}

}  // namespace lathe::lint
