// onnx-diff's report for a terminal (short or whole), as JSON, and as Markdown for a review comment.
#pragma once
#include <string>

#include "tools/diff/lines.h"

namespace lathe::cli {

std::string diff_text(const DiffInput& in, bool verbose);
std::string diff_json(const DiffInput& in);
std::string diff_markdown(const DiffInput& in);
// One model as lines, as `git log -p` compares them: ports, weights (type, dims, hash), nodes.
std::string model_listing(const Model& m);

}  // namespace lathe::cli
