#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {
namespace {

void look(Context& c, const std::vector<PortAxes>& ports, Place::Kind kind) {
  using Kind = AxisFact::Kind;
  for (const PortAxes& p : ports)
    for (size_t i = 0; i < p.axes.size(); ++i) {
      const AxisFact& a = p.axes[i];
      // A symbol of an output that no input has promises nothing: undeclared-shape's matter.
      if (a.says != Kind::symbolic || a.proven != Kind::fixed || a.why.empty()) continue;
      c.report({kind, p.name}, fmt::format("axis {} is called '{}' and can only be {}: {}", i, a.said.str(),
                                           a.is.str(), a.why));
    }
}

void run(Context& c) {
  const Axes* axes = c.axes();
  if (axes == nullptr) return;
  look(c, axes->inputs, Place::Kind::input);
  look(c, axes->outputs, Place::Kind::output);
}

}  // namespace

LintDef false_dynamic_axis() {
  return {.id = "false-dynamic-axis",
          .group = "interface",
          .summary = "an axis that is called dynamic and is not",
          .help =
              "The file names a symbol, and some node (a Reshape with the batch of the export baked in, a "
              "constant of fixed size) runs at one size only. Callers that believe the name fail at run "
              "time. onnx-inspect --axes tells all axes.",
          .fix =
              "onnx-opt --passes='make-dynamic{batch}' repairs what it can prove; otherwise 'clamp-batch' or "
              "'bind-dims{...}' makes the file say what it is",
          .run = run};
}

}  // namespace lathe::lint
