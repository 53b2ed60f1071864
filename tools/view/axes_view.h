// onnx-inspect --axes: the report of passes/analysis/axes.h for people and for wrappers.
#pragma once
#include <string>

#include "passes/analysis/axes.h"

namespace lathe::view {

std::string axes_text(const Axes& a, const std::string& title);
// {"inputs": [{"name", "dtype", "axes": [{"says", "declared", "proven", "formula", "max", "why"}]}],
// "outputs",
//  "relations", "steps", "batch": {"verdict", "size", "max", ...}, "sequence", "warnings"}. A wrapper obeys
// batch.verdict ("free", "fixed", "clamped", "none") with batch.size and batch.max.
std::string axes_json(const Axes& a, const std::string& path);

}  // namespace lathe::view
