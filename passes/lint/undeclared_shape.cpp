#include <algorithm>
#include <set>
#include <string>

#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {
namespace {

void run(Context& c) {
  const Model& m = c.model();
  std::set<std::string> named;
  for (const Port& p : m[m.main()].inputs)
    if (p.type.shape)
      for (const Dim d : *p.type.shape)
        for (std::string& s : d.symbols()) named.insert(std::move(s));
  // Exporters make up symbols for output axes that they know nothing of.
  const auto vague = [&](Dim d) {
    return d.is_unknown() || (d.is_symbol() && !named.contains(d.symbol_name()));
  };
  const std::vector<ValueId> outputs = m.outputs(m.main());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Port& p = m[m.main()].outputs[i];
    const Type& known = m[outputs[i]].type;
    const auto& said = p.type.shape;
    if (!p.type.is_tensor() || !fully_known(known)) continue;
    const bool better =
        !said || (said->size() == known.shape->size() && std::any_of(said->begin(), said->end(), vague) &&
                  std::none_of(known.shape->begin(), known.shape->end(), vague));
    if (better) c.report({Place::Kind::output, p.name}, fmt::format("it is {}", known.str()));
  }
}

}  // namespace

LintDef undeclared_shape() {
  return {.id = "undeclared-shape",
          .group = "interface",
          .severity = Severity::note,
          .summary = "an output whose shape is known and not declared",
          .help =
              "Shape analysis proves the sizes as formulas over the inputs' symbols; callers that allocate "
              "results by what the file says have to run the model to learn them.",
          .fix = "onnx-inspect --axes tells the shape; export with named output axes",
          .run = run};
}

}  // namespace lathe::lint
