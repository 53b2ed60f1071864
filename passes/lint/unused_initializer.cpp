#include <string_view>
#include <unordered_set>

#include "ir/core/walk.h"
#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {
namespace {

void run(Context& c) {
  const Model& m = c.spelled();
  for (const GraphId g : all_graphs(m)) {
    // Scales and zero points of annotations are read by name.
    std::unordered_set<std::string_view> annotated;
    for (const QuantAnnotation& q : m[g].quant_annotations) {
      annotated.insert(q.name);
      for (const auto& [key, name] : q.parameters) annotated.insert(name);
    }
    for (const auto* list : {&m[g].initializers, &m[g].sparse_initializers})
      for (const ValueId v : *list) {
        // A default of an input is the input's matter.
        if (!m[v].uses.empty() || m[v].def || annotated.contains(m[v].name)) continue;
        c.at_constant(
            v, fmt::format("no node reads its {} bytes", m[v].constant ? m[v].constant->byte_size() : 0));
      }
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
