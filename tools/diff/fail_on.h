// --fail-on: which differences make the exit code 1.
#pragma once
#include <optional>
#include <string>

#include "passes/diff/diff.h"
#include "passes/diff/run.h"

namespace lathe::cli {

struct FailOn {
  bool interface = true, ops = true;
  std::optional<double> weights = 0;  // relative difference above which they count; nullopt: never

  bool values = true;                  // outputs beyond the tolerance of --run
  std::optional<double> values_above;  // or above this part of their largest magnitude

  // "interface,ops,weights>1e-3,values"; "" is everything. What it does not know is a usage error.
  static FailOn parse(const std::string& text);
  bool trips(const diff::Diff& d, const diff::RunReport* run) const;
};

}  // namespace lathe::cli
