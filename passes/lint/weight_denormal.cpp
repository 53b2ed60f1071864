#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {

LintDef weight_denormal() {
  return {.id = "weight-denormal",
          .group = "weights",
          .severity = Severity::warning,
          .summary = "denormal numbers in a weight",
          .help =
              "Numbers below 1.2e-38 (float32) take processors ten to a hundred times as long, and are "
              "zero where flush-to-zero is on: results differ between machines. Told from a thousandth "
              "of the elements on, and not of float16, which is converted before it is used.",
          .fix = "set them to zero",
          .reads_weights = true,
          .run = [](Context& c) {
            c.for_each_weight([&](ValueId v, const Tensor& t, const WeightStats& s) {
              if (t.dtype != DType::F16 && s.denormal * 1000 > s.count)
                c.at_constant(v, fmt::format("{} of {} elements are denormal", s.denormal, s.count));
            });
          }};
}

}  // namespace lathe::lint
