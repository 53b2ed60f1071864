// onnx-inspect --roles: what the parts of a network are for, and which layers repeat.
#pragma once
#include <string>

#include "passes/analysis/roles.h"

namespace lathe::view {

std::string unit_text(const Unit& u);  // "attention: 12 heads, of 32, causal"
std::string roles_text(const Model& m, const Roles& r, const std::string& title);
std::string roles_json(const Model& m, const Roles& r, const std::string& path);

}  // namespace lathe::view
