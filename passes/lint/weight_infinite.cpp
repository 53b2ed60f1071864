#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {

LintDef weight_infinite() {
  return {.id = "weight-infinite",
          .group = "weights",
          .summary = "infinities in a weight",
          .help =
              "A product with infinity and zero is NaN. Masks are filled with -inf on purpose, so -inf alone "
              "is a note: a row that is masked whole still gives NaN in a softmax.",
          .fix = "use the lowest finite number of the type in masks",
          .reads_weights = true,
          .run = [](Context& c) {
            c.for_each_weight([&](ValueId v, const Tensor&, const WeightStats& s) {
              if (s.count == 1) return;
              if (s.plus_infinite > 0)
                c.at_constant(v, fmt::format("{} of {} elements are infinite",
                                             s.plus_infinite + s.minus_infinite, s.count));
              else if (s.minus_infinite > 0)
                c.at_constant(v, fmt::format("{} of {} elements are -inf", s.minus_infinite, s.count),
                              Severity::note);
            });
          }};
}

}  // namespace lathe::lint
