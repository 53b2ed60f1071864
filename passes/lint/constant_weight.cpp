#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {

LintDef constant_weight() {
  return {
      .id = "constant-weight",
      .group = "weights",
      .summary = "a matrix whose elements are all the same",
      .help =
          "Float initializers of 4096 elements and more, of rank 2 and more, that hold one number: a layer "
          "that was never trained or loaded, or a buffer that one number would do for. Vectors (biases "
          "of zeros, scales of ones) are not told.",
      .fix = "check that the checkpoint was loaded; otherwise broadcast a scalar",
      .reads_weights = true,
      .run = [](Context& c) {
        constexpr int64_t kSmallest = 4096;
        c.for_each_weight([&](ValueId v, const Tensor& t, const WeightStats& s) {
          if (s.constant && s.count >= kSmallest && t.rank() >= 2 && t.dims[0] != s.count)
            c.at_constant(v, fmt::format("{} times {}", s.count, t.as_double(0)));
        });
      }};
}

}  // namespace lathe::lint
