// What the Gathers and Scatters share: indices, and index tuples as offsets of runs.
#pragma once
#include <cstdint>

#include "ir/base/work_vector.h"
#include "ir/core/tensor.h"

namespace lathe {

// Of any integer type.
WorkVector<int64_t> read_indices(const Tensor& t);

// The last axis of `indices` holds tuples of `depth` coordinates, counted from axis `batch` of data on.
// Checks ranks and every coordinate.
struct IndexTuples {
  IndexTuples(const Tensor& data, const Tensor& indices, int64_t batch);
  int64_t depth = 0;
  int64_t inner = 1;            // elements of one run
  WorkVector<int64_t> offsets;  // first element of each tuple's run
};

}  // namespace lathe
