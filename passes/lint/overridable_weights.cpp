#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {

LintDef overridable_weights() {
  return {.id = "overridable-weights",
          .group = "structure",
          .summary = "a weight that is an input too",
          .help =
              "Until IR version 3 initializers had to be listed among the inputs; exporters still do it on "
              "demand. A caller may then replace the weight, so no runtime folds, packs or fuses it. Small "
              "ones (below 1 kB) are taken for real options of the model.",
          .fix = "export with keep_initializers_as_inputs=False",
          .run = [](Context& c) {
            const Model& m = c.spelled();
            constexpr size_t kSmallest = 1024;
            for (const ValueId v : m.inputs(m.main()))
              if (m[v].constant && m[v].constant->byte_size() >= kSmallest)
                c.at_constant(v, "callers may override it: runtimes cannot treat it as constant");
          }};
}

}  // namespace lathe::lint
