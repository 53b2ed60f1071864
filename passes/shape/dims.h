// Symbolic dims of a whole model: replaced wherever the file spells types.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ir/core/model.h"

namespace lathe {

using DimMap = std::function<std::optional<Dim>(const std::string&)>;

// Replaces symbols in the types of ports, values and value_info of main and nested graphs.
void substitute_dims(Model& m, const DimMap& with);

// Names of the symbolic dims of main's inputs and outputs, in order.
std::vector<std::string> dim_names(const Model& m);

}  // namespace lathe
