#include <map>

#include "ir/core/walk.h"
#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {

LintDef duplicate_names() {
  return {
      .id = "duplicate-names",
      .group = "structure",
      .severity = Severity::note,
      .summary = "several nodes with one name",
      .help =
          "What is told by node name (profiles, quantizers' exclude lists, checkpoints of a review) means "
          "several of them. A function's body counts by itself.",
      .fix = "export with unique names",
      .run = [](Context& c) {
        const Model& m = c.spelled();
        std::vector<GraphId> roots = {m.main()};
        for (const Function& f : m.functions) roots.push_back(f.body);
        for (const GraphId root : roots) {
          std::map<std::string_view, size_t> count;
          for (const GraphId g : nested_graphs(m, root))
            for (NodeId n = m[g].first; n; n = m[n].next)
              if (!m[n].name.empty()) ++count[m[n].name];
          for (const auto& [name, times] : count)
            if (times > 1)
              c.report({Place::Kind::node, std::string(name)}, fmt::format("{} nodes are called so", times));
        }
      }};
}

}  // namespace lathe::lint
