// How large each precision would make a model, told from shapes alone: nothing is quantized.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "ir/core/model.h"

namespace lathe {

struct Forecast {
  std::string passes;  // as --passes takes it
  std::string what;
  int64_t bytes = 0;  // of the model's file and its external data
};

// For a model whose types are inferred and whose file (with external data) has `bytes`. By size, largest
// first; the model as it is included. Weights under `min_elements` stay.
std::vector<Forecast> forecast(const Model& m, int64_t bytes, int64_t min_elements = 4096);

}  // namespace lathe
