#include <set>

#include "ir/base/error.h"
#include "ir/onnx/external_data.h"
#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {
namespace {

void run(Context& c) {
  if (!c.data_error() && !c.refused()) {
    for (const std::string& w : c.load_warnings())
      if (w.starts_with("external data ")) c.report({Place::Kind::file, ""}, w, Severity::warning);
    return;
  }
  // The loader stops at the first tensor; here all are asked for, each file's complaint once.
  std::set<std::string> told;
  for (const TensorRecord& t : c.tensors()) {
    if (t.external.empty()) continue;
    try {
      const ExternalEntry e = parse_external(t.external);
      std::error_code error;
      const auto path = c.folder() / e.location;
      const auto size = std::filesystem::file_size(path, error);
      if (std::filesystem::is_symlink(path)) continue;  // external-link's matter
      std::string why;
      if (error)
        why = fmt::format("'{}': {}", e.location, error.message());
      else if (static_cast<uint64_t>(e.offset) > size ||
               static_cast<uint64_t>(e.length.value_or(0)) > size - static_cast<uint64_t>(e.offset))
        why = fmt::format("'{}' has {} bytes and {} from {} on are asked for", e.location, size,
                          e.length.value_or(0), e.offset);
      if (!why.empty() && told.insert(why).second) c.report({Place::Kind::file, t.place}, why);
    } catch (const Error&) {
      continue;  // external-path's matter, or refused-file's
    }
  }
  if (c.data_error() && told.empty()) c.report({Place::Kind::file, ""}, *c.data_error());
}

}  // namespace

LintDef external_range() {
  return {.id = "external-range",
          .group = "data",
          .severity = Severity::error,
          .summary = "external data that is not there",
          .help =
              "The file is missing, shorter than the tensors ask for, of another length than type and shape "
              "need, or (a warning) holds tensors that overlap without being equal. Weights are then not "
              "looked at.",
          .fix = "put the data file that belongs to this model beside it",
          .reads_file = true,
          .run = run};
}

}  // namespace lathe::lint
