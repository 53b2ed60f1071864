#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {

LintDef anonymous_axis() {
  return {.id = "anonymous-axis",
          .group = "interface",
          .severity = Severity::note,
          .summary = "an input axis with neither size nor name",
          .help =
              "Runtimes cannot tell which axes are the same size, so memory is planned later and wrappers "
              "cannot ask for batch or sequence by name.",
          .fix = "onnx-opt --passes='rename-dims{...}', or export with named axes",
          .run = [](Context& c) {
            const Model& m = c.spelled();
            const std::vector<ValueId> inputs = m.inputs(m.main());
            for (size_t i = 0; const Port& p : m[m.main()].inputs) {
              const ValueId v = inputs[i++];
              if (m[v].constant || !p.type.is_tensor()) continue;
              if (!p.type.shape) {
                c.report({Place::Kind::input, p.name}, "not even the rank is declared");
                continue;
              }
              for (size_t axis = 0; axis < p.type.shape->size(); ++axis)
                if ((*p.type.shape)[axis].is_unknown())
                  c.report({Place::Kind::input, p.name}, fmt::format("axis {}", axis));
            }
          }};
}

}  // namespace lathe::lint
