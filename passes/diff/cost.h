// What a model costs, as far as it can be told without running it.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "ir/core/model.h"

namespace lathe::diff {

struct Cost {
  size_t nodes = 0;  // of all graphs; Constant nodes are not counted
  std::map<std::string, size_t> ops;
  int64_t parameters = 0, bytes = 0;          // of tensors in use, Constant nodes' too; shared bytes once
  std::map<std::string, int64_t> type_bytes;  // by element type
};

Cost cost_of(const Model& m);
// Ops whose numbers of nodes differ: before, after.
std::map<std::string, std::pair<size_t, size_t>> changed_ops(const Cost& a, const Cost& b);

}  // namespace lathe::diff
