#include <algorithm>
#include <array>

#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {
namespace {

// Other lints tell what these would do, or it changes nothing that runs.
constexpr std::array<std::string_view, 5> kTold = {"lift-constants", "dedup", "dce", "strip",
                                                   "inline-functions"};

}  // namespace

LintDef redundant_nodes() {
  return {.id = "redundant-nodes",
          .group = "speed",
          .severity = Severity::note,
          .summary = "nodes that simplifying removes",
          .help =
              "Constants to fold, shape arithmetic that has a shorter form, equal subexpressions, layout ops "
              "that take each other back. Runtimes do most of it when they load the model; it makes a graph "
              "hard to read.",
          .fix = "onnx-opt --passes=simplify",
          .run = [](Context& c) {
            for (const Rewrite& r : c.rewrites())
              if (r.group != "fusion" && std::find(kTold.begin(), kTold.end(), r.pass) == kTold.end())
                c.report({Place::Kind::node, r.node}, fmt::format("{} applies ({})", r.pass, r.rule));
          }};
}

}  // namespace lathe::lint
