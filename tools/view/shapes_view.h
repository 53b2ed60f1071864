// onnx-inspect --shapes: the type of every value as analysis knows it.
#pragma once
#include <string>

#include "passes/analysis/ranges.h"
#include "passes/analysis/shapes.h"

namespace lathe::view {

std::string shapes_text(const Model& m, const Shapes& s, const Ranges& r, const std::string& title);
// {"values": {name: {"node", "op", "dtype", "dims": [size or formula, null where unknown] or null, "known",
//   "contents", "low", "high"}}, "counts": {"values", "ranked", "known"}}
std::string shapes_json(const Model& m, const Shapes& s, const Ranges& r, const std::string& path);

}  // namespace lathe::view
