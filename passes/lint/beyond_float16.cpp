#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {

LintDef beyond_float16() {
  return {.id = "beyond-float16",
          .group = "weights",
          .severity = Severity::note,
          .summary = "a number that float16 cannot hold",
          .help =
              "Converted to float16 it becomes infinite, and a softmax over masks of -3.4e38 gives NaN "
              "once they are -inf all along a row. onnx-opt's float16 passes treat masks by themselves.",
          .fix = "none is needed for float32; clip before converting by hand",
          .reads_weights = true,
          .run = [](Context& c) {
            c.for_each_weight([&](ValueId v, const Tensor& t, const WeightStats& s) {
              if (s.largest > 65504 && t.dtype != DType::F16)
                c.at_constant(v, fmt::format("the largest magnitude is {:.3g}", s.largest));
            });
          }};
}

}  // namespace lathe::lint
