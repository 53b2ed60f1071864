#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "ir/base/error.h"
#include "ir/onnx/external_data.h"
#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {
namespace {

// Why the loader does not open folder/location, if that is because of what stands there and not because
// nothing does.
std::string refusal(const std::filesystem::path& folder, const std::string& location) {
  const int dir = ::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0) return {};
  std::string why;
  try {
    struct stat st{};
    const int fd = open_beneath(dir, location);
    if (::fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
      why = "not a regular file";
    else if (st.st_nlink > 1)
      why = fmt::format("has {} hard links: one may be a file outside of the folder", st.st_nlink);
    ::close(fd);
  } catch (const Error& e) {
    std::error_code ignored;
    // symlink_status: a dangling link is a link too.
    for (std::filesystem::path at = folder; const auto& part : std::filesystem::path(location)) {
      at /= part;
      if (std::filesystem::is_symlink(std::filesystem::symlink_status(at, ignored))) why = e.what();
    }
  }
  ::close(dir);
  return why;
}

void run(Context& c) {
  if (c.folder().empty()) return;
  std::set<std::string> seen;
  for (const TensorRecord& t : c.tensors())
    for (const auto& [key, location] : t.external) {
      if (key != "location" || !seen.insert(location).second) continue;
      try {
        check_location(location);
      } catch (const Error&) {
        continue;  // external-path's matter
      }
      if (const std::string why = refusal(c.folder(), location); !why.empty())
        c.report({Place::Kind::file, t.place}, fmt::format("'{}': {}", location, why));
    }
}

}  // namespace

LintDef external_link() {
  return {.id = "external-link",
          .group = "security",
          .severity = Severity::error,
          .summary = "external data behind a link, or no regular file",
          .help =
              "A symbolic or hard link beside the model leads whoever loads it to a file elsewhere "
              "(CVE-2026-27489, CVE-2026-34446); a FIFO or device hangs it. lathe opens none of them.",
          .fix = "copy the data beside the model",
          .reads_file = true,
          .run = run};
}

}  // namespace lathe::lint
