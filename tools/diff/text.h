// onnx-diff's report for a terminal, short or whole, and as JSON.
#pragma once
#include <string>

#include "tools/diff/lines.h"

namespace lathe::cli {

std::string diff_text(const DiffInput& in, bool verbose);
std::string diff_json(const DiffInput& in);

}  // namespace lathe::cli
