// onnx-inspect --lint: findings as a compiler tells them, as JSON, as SARIF 2.1.0; and the lints themselves.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "passes/lint/lint.h"

namespace lathe::view {

// What --lint found in one file.
struct LintReport {
  std::string path, target;
  std::optional<std::string> refused;  // why the file could not be loaded
  size_t lints = 0;                    // that were run
  std::vector<lint::Finding> findings;

  size_t count(lint::Severity at_least) const;
};

// full: every finding with its place; otherwise equal ones are counted after the first few.
std::string lint_text(const LintReport& r, bool full);
std::string lint_json(const LintReport& r);
// One run over all files (OASIS SARIF 2.1.0).
std::string lint_sarif(const std::vector<LintReport>& reports);

std::string lints_text();      // --list-lints
std::string lints_markdown();  // docs/lints.md

}  // namespace lathe::view
