// ONNX text syntax (onnx docs/Syntax.md) through the onnx library's parser and printer: the language of
// tests.
#pragma once
#include <string>
#include <string_view>

#include "ir/core/model.h"

namespace lathe {

// A whole model ("<ir_version: 10, opset_import: [...]> g (...) => (...) { ... }"), or a graph alone, which
// gets the newest opset, com.microsoft and ai.onnx.ml. Errors carry line and column.
Model parse_model(std::string_view text);
std::string print_model(const Model& m);  // lowered to its opsets, names as saved
std::string print_node(const Model& m, NodeId n);

}  // namespace lathe
