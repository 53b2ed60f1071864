#include "ir/core/walk.h"
#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {
namespace {

void run(Context& c) {
  const Model& m = c.model();
  for_each_node(m, [&](NodeId n) {
    const Node& node = m[n];
    if (node.is("BatchNormalization") && node.attrs.i("training_mode", 0) != 0)
      c.at_node(n, "BatchNormalization computes statistics of the batch");
    if (!node.is("Dropout") || !node.input(2)) return;
    const Tensor* mode = m.constant(node.input(2));
    if (mode == nullptr)
      c.at_node(n, "Dropout: whether it is active depends on the input");
    else if (mode->count() == 1 && mode->as_i64(0) != 0)
      c.at_node(n, "Dropout is active: results are random");
  });
}

}  // namespace

LintDef training_mode() {
  return {.id = "training-mode",
          .group = "structure",
          .summary = "a node that is in training mode",
          .help = "The model was exported without eval(): results depend on the batch or on chance.",
          .fix = "export again in evaluation mode",
          .run = run};
}

}  // namespace lathe::lint
