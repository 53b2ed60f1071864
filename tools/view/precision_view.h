// What became of each weight: --explain, and the sizes by role of reports.
#pragma once
#include <map>
#include <string>

#include "passes/core/findings.h"
#include "passes/quant/forecast.h"

namespace lathe::view {

// A line for each weight that a scheme can change, and one a role for all that stay; then sums.
std::string explain_text(const Findings& f);

struct RoleBytes {
  int64_t before = 0, after = 0;
  size_t weights = 0;
};
std::map<std::string, RoleBytes> bytes_by_role(const Findings& f);

// Of a file of `bytes`.
std::string forecast_text(const std::vector<Forecast>& f, int64_t bytes);

}  // namespace lathe::view
