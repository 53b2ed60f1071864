#include "passes/core/kernel_table.h"
#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {

LintDef newer_than_runtime() {
  return {
      .id = "newer-than-runtime",
      .group = "target",
      .severity = Severity::error,
      .summary = "a file format that the target does not read yet",
      .help =
          "Runtimes refuse an IR version or an opset of ai.onnx above what they were built with, whatever "
          "the nodes are.",
      .fix = "export with an older opset; onnx.version_converter may lower it",
      .run = [](Context& c) {
        const KernelTable* t = c.target().kernels();
        if (t == nullptr) return;
        const ModelInfo& info = c.spelled().info;
        if (info.ir_version > t->max_ir())
          c.report({Place::Kind::model, ""}, fmt::format("IR version {}, {} reads up to {}", info.ir_version,
                                                         c.target().name(), t->max_ir()));
        if (const int64_t opset = c.spelled().opset(""); opset > t->max_opset())
          c.report({Place::Kind::model, ""},
                   fmt::format("opset {}, {} has up to {}", opset, c.target().name(), t->max_opset()));
      }};
}

}  // namespace lathe::lint
