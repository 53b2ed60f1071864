// Short texts for attributes, constants and nodes.
#pragma once
#include <span>
#include <string>

#include "ir/core/model.h"

namespace lathe::diff {

std::string op_name(const Node& n);        // "Add", "com.microsoft.BiasGelu"
std::string tensor_text(const Tensor& t);  // "[1, 2]", "float[384, 384]"
std::string attr_text(const Model& m, const AttrValue& v);
std::string type_text(const Type& t);  // "float[batch, ?]"
// "Div, Erf, Add, 2 Mul": in order of first occurrence.
std::string ops_text(const Model& m, std::span<const NodeId> nodes);
std::string input_label(const Model& m, NodeId n, uint32_t slot);  // "input 1 (axes)"

}  // namespace lathe::diff
