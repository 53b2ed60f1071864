#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {

LintDef sloppy_file() {
  return {.id = "sloppy-file",
          .group = "structure",
          .summary = "what the specification wants and the file lacks",
          .help =
              "Nodes out of order, outputs without a type, a graph without a name, a domain that is not "
              "imported: the meaning is clear and lathe reads it, checkers and other readers may not.",
          .fix = "onnx-opt model.onnx -o model.onnx --passes= writes it in order",
          .run = [](Context& c) {
            for (const std::string& w : c.load_warnings())
              if (!w.starts_with("external data ")) c.report({Place::Kind::model, ""}, w);
          }};
}

}  // namespace lathe::lint
