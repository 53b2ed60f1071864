#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {

LintDef unused_input() {
  return {.id = "unused-input",
          .group = "structure",
          .summary = "an input that nothing reads",
          .help =
              "Callers must make and feed it all the same. Often the sign of an exporter that traced a part "
              "away (token types, position ids, a mask).",
          .fix = "leave it out of the export, if callers can do without",
          .run = [](Context& c) {
            const Model& m = c.spelled();
            const Graph& g = m[m.main()];
            const std::vector<ValueId> inputs = m.inputs(m.main());
            for (size_t i = 0; i < inputs.size(); ++i)
              if (m[inputs[i]].uses.empty() && !m[inputs[i]].constant)
                c.report({Place::Kind::input, g.inputs[i].name}, "nothing reads it");
          }};
}

}  // namespace lathe::lint
