#include <fmt/ranges.h>

#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {

LintDef two_payloads() {
  return {.id = "two-payloads",
          .group = "security",
          .severity = Severity::error,
          .summary = "a tensor with two payloads",
          .help =
              "A tensor that has raw_data and float_data, or inline and external data, has one value in one "
              "runtime and another in the next: what was reviewed is not what runs. Function attributes "
              "and sparse tensors are looked at too. The loader refuses such a file.",
          .fix = "export the model again",
          .reads_file = true,
          .run = [](Context& c) {
            for (const TensorRecord& t : c.tensors())
              if (t.payloads.size() > 1)
                c.report({Place::Kind::file, t.place},
                         fmt::format("holds {}", fmt::join(t.payloads, " and ")));
          }};
}

}  // namespace lathe::lint
