// What GatherND and ScatterND share: index tuples as offsets of runs.
#pragma once
#include <cstdint>
#include <vector>

#include "ir/core/tensor.h"

namespace lathe {

// The last axis of `indices` holds tuples of `depth` coordinates, counted from axis `batch` of data on.
// Checks ranks and every coordinate.
struct IndexTuples {
  IndexTuples(const Tensor& data, const Tensor& indices, int64_t batch);
  int64_t depth = 0;
  int64_t inner = 1;             // elements of one run
  std::vector<int64_t> offsets;  // first element of each tuple's run
};

}  // namespace lathe
