// --fail-on: which differences make the exit code 1.
#pragma once
#include <optional>
#include <string>

#include "passes/diff/diff.h"

namespace lathe::cli {

struct FailOn {
  bool interface = true, ops = true;
  std::optional<double> weights = 0;  // relative difference above which they count; nullopt: never

  // "interface,ops,weights>1e-3"; "" is everything. What it does not know is a usage error.
  static FailOn parse(const std::string& text);
  bool trips(const diff::Diff& d) const;
};

}  // namespace lathe::cli
