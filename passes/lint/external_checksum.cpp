#include <algorithm>

#include "ir/base/error.h"
#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {

LintDef external_checksum() {
  return {.id = "external-checksum",
          .group = "data",
          .severity = Severity::error,
          .summary = "external data that is not what the model says",
          .help =
              "Entries of external data may carry the SHA-1 of their file (SHA-256 is read too). No runtime "
              "looks at it.",
          .fix = "get model and data again, both from one source",
          .reads_weights = true,
          .run = [](Context& c) {
            if (c.data_error()) return;
            const bool any = std::any_of(c.tensors().begin(), c.tensors().end(), [](const TensorRecord& t) {
              return std::any_of(t.external.begin(), t.external.end(),
                                 [](const auto& e) { return e.first == "checksum" && !e.second.empty(); });
            });
            if (!any) return;
            if (const auto why = c.checksum_error()) c.report({Place::Kind::file, ""}, *why);
          }};
}

}  // namespace lathe::lint
