#include <algorithm>

#include "ir/core/walk.h"
#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {
namespace {

void run(Context& c) {
  const Model& m = c.spelled();
  for (const GraphId g : all_graphs(m))
    for (const auto* list : {&m[g].initializers, &m[g].sparse_initializers})
      for (const ValueId v : *list) {
        if (!m[v].uses.empty() || m[v].def) continue;  // a default of an input is the input's matter
        const bool annotated = std::any_of(m[g].quant_annotations.begin(), m[g].quant_annotations.end(),
                                           [&](const QuantAnnotation& q) {
                                             for (const auto& [key, name] : q.parameters)
                                               if (name == m[v].name) return true;
                                             return q.value == v;
                                           });
        if (annotated) continue;
        const size_t bytes = m[v].constant ? m[v].constant->byte_size() : 0;
        c.at_constant(v, fmt::format("no node reads its {} bytes", bytes));
      }
}

}  // namespace

LintDef unused_initializer() {
  return {.id = "unused-initializer",
          .group = "structure",
          .summary = "an initializer that nothing reads",
          .help = "It is loaded, kept and shipped for nothing, and may hold what nobody meant to publish.",
          .fix = "onnx-opt --passes=dce",
          .run = run};
}

}  // namespace lathe::lint
