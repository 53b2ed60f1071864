#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {

LintDef wrong_shape() {
  return {
      .id = "wrong-shape",
      .group = "interface",
      .summary = "an output whose declared size is not what the graph computes",
      .help =
          "A fixed size where the graph gives another fixed one is an error; a fixed size where the graph "
          "gives a symbol holds for the exported sizes only, and runtimes that plan memory by what the "
          "file says warn or fail.",
      .fix = "onnx-opt --passes='make-dynamic{batch}', or export again with the right axes",
      .run = [](Context& c) {
        using Kind = AxisFact::Kind;
        const Axes* axes = c.axes();
        if (axes == nullptr) return;
        for (const PortAxes& p : axes->outputs)
          for (size_t i = 0; i < p.axes.size(); ++i) {
            const AxisFact& a = p.axes[i];
            if (a.says != Kind::fixed || a.proven == Kind::unknown || a.said == a.is) continue;
            c.report({Place::Kind::output, p.name},
                     fmt::format("axis {} is declared {} and computed as {}", i, a.said.str(), a.is.str()),
                     a.proven == Kind::fixed ? std::optional(Severity::error) : std::nullopt);
          }
      }};
}

}  // namespace lathe::lint
