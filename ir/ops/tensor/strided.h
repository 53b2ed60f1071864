// The one loop behind most data movement: copies a box of elements between two strided layouts.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "ir/core/tensor.h"

namespace lathe {

// Row-major strides, in elements.
std::vector<int64_t> row_major(std::span<const int64_t> dims);

struct StridedBox {
  std::vector<int64_t> dims;
  std::vector<int64_t> to, from;  // strides in elements; from may be 0 (repeat) or negative (reverse)
  int64_t to_offset = 0, from_offset = 0;
};

// dtype gives the element size (8 bits or more). The caller has checked that the box lies inside both
// buffers.
void copy_strided(DType dtype, std::byte* to, const std::byte* from, StridedBox box);

// Calls body(k, offset) for each index of a box in row-major order: k counts, offset adds up the strides.
template <class F>
void for_each_offset(std::span<const int64_t> dims, std::span<const int64_t> strides, F&& body) {
  const int64_t count = element_count(dims);
  std::vector<int64_t> index(dims.size());
  int64_t offset = 0;
  for (int64_t k = 0; k < count; ++k) {
    body(k, offset);
    for (size_t a = dims.size(); a-- > 0;) {
      offset += strides[a];
      if (++index[a] < dims[a]) break;
      offset -= strides[a] * dims[a];
      index[a] = 0;
    }
  }
}

}  // namespace lathe
