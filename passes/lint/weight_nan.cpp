#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {

LintDef weight_nan() {
  return {.id = "weight-nan",
          .group = "weights",
          .severity = Severity::error,
          .summary = "NaN in a weight",
          .help =
              "Whatever reads it becomes NaN: a run that diverged, a broken conversion or a corrupt "
              "file.",
          .fix = "train or convert again",
          .reads_weights = true,
          .run = [](Context& c) {
            c.for_each_weight([&](ValueId v, const Tensor&, const WeightStats& s) {
              if (s.nan > 0) c.at_constant(v, fmt::format("{} of {} elements are NaN", s.nan, s.count));
            });
          }};
}

}  // namespace lathe::lint
