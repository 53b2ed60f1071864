// Run-time values as people and other programs read them.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "ir/ops/datum.h"

namespace lathe::cli {

// Type, shape, range, mean, counts of NaN and infinities: as one line, and as JSON.
std::string value_summary(const Datum& d);
nlohmann::ordered_json value_summary_json(const Datum& d);

// All of it: {"type": "float", "shape": [2, 3], "data": [flat, row-major]}; a sequence as a list of these.
// What JSON has no number for is the string "NaN", "Infinity" or "-Infinity"; complex numbers are pairs.
nlohmann::ordered_json value_json(const Datum& d);

}  // namespace lathe::cli
