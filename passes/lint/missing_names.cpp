#include "ir/core/walk.h"
#include "passes/core/remark.h"
#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {

LintDef missing_names() {
  return {.id = "missing-names",
          .group = "structure",
          .severity = Severity::note,
          .summary = "nodes without names",
          .help =
              "Profiles, error messages, quantizers' exclude lists and reviews name nodes; ones without a "
              "name can only be told by their output.",
          .fix = "export with names",
          .run = [](Context& c) {
            const Model& m = c.spelled();
            size_t nodes = 0, nameless = 0;
            std::string first;
            for_each_node(m, [&](NodeId n) {
              if (m[n].type == "Constant") return;
              ++nodes;
              if (m[n].name.empty() && nameless++ == 0) first = node_label(m, n);
            });
            if (nameless > 0)
              c.report({Place::Kind::model, ""},
                       fmt::format("{} of {} nodes have no name, the first is {}", nameless, nodes, first));
          }};
}

}  // namespace lathe::lint
