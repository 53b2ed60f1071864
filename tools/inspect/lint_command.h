// onnx-inspect --lint.
#pragma once
#include <string>
#include <vector>

#include "tools/cli.h"

namespace lathe::inspect {

void add_lint_options(cli::po::options_description& options);
// Prints what was found in each file. 0: nothing at or above --fail-on; 1: something; 3: a file could not be
// loaded.
int lint_command(const std::vector<std::string>& paths, const cli::po::variables_map& v);

}  // namespace lathe::inspect
