// The IR's own invariants, recomputed from scratch: exact use lists, parents and node lists, one definition a
// value, definitions before uses in scope, ports matching operands. Run after each pass in tests and debug
// builds.
#pragma once
#include <string>
#include <vector>

#include "ir/core/model.h"

namespace lathe {

// One line per violation; empty when the model is consistent.
std::vector<std::string> check_invariants(const Model& m);

}  // namespace lathe
