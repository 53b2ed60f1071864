// onnx-inspect --cost: tables by op, by role and by layer; formulas and, at given sizes, numbers.
#pragma once
#include <string>

#include "passes/analysis/cost.h"

namespace lathe::view {

// Sizes for every symbol of the model: those given ("batch=1,seq=128"; unknown names are usage errors) and,
// for the others, 1 for the leading axis of an input and 128 for the rest. `assumed` names those.
Sizes choose_sizes(const Model& m, const std::string& given, std::string& assumed);

std::string cost_text(const Model& m, const ModelCost& c, const Roles& r, const Sizes& sizes,
                      const std::string& assumed, const std::string& title);
std::string cost_json(const Model& m, const ModelCost& c, const Roles& r, const Sizes& sizes,
                      const std::string& path);

}  // namespace lathe::view
