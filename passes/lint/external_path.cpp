#include "ir/base/error.h"
#include "ir/onnx/external_data.h"
#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {

LintDef external_path() {
  return {.id = "external-path",
          .group = "security",
          .severity = Severity::error,
          .summary = "external data outside of the model's folder",
          .help =
              "A location that is absolute, climbs with '..', names a drive or the memory of the runtime "
              "makes whoever loads the model read a file of the author's choice (CVE-2022-25882, "
              "CVE-2024-27318, CVE-2026-34447). Every tensor is looked at: attributes, subgraphs, sparse "
              "ones and functions too. lathe itself opens none of them.",
          .fix = "do not load it elsewhere; a genuine model has its data beside it",
          .reads_file = true,
          .run = [](Context& c) {
            for (const TensorRecord& t : c.tensors())
              for (const auto& [key, value] : t.external) try {
                  if (key == "location") check_location(value);
                } catch (const Error& e) {
                  c.report({Place::Kind::file, t.place}, e.what());
                }
          }};
}

}  // namespace lathe::lint
