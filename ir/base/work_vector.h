// Working memory of kernels: a vector whose bytes count against the BufferLimit in force, and come from the
// buffers that tensors use. For what grows with a model's sizes; a handful of dims needs none.
#pragma once
#include <limits>
#include <new>
#include <vector>

#include "ir/base/buffer_pool.h"

namespace lathe {

template <class T>
struct WorkAllocator {
  using value_type = T;
  WorkAllocator() = default;
  template <class U>
  WorkAllocator(const WorkAllocator<U>&) {}

  T* allocate(size_t n) {
    if (n > static_cast<size_t>(std::numeric_limits<int64_t>::max()) / sizeof(T))
      throw std::bad_array_new_length();
    const size_t bytes = n * sizeof(T);
    BufferLimit::taken(static_cast<int64_t>(bytes));
    if (void* p = acquire_buffer(bytes)) return static_cast<T*>(p);
    BufferLimit::returned(static_cast<int64_t>(bytes));
    throw std::bad_alloc();
  }
  void deallocate(T* p, size_t n) {
    BufferLimit::returned(static_cast<int64_t>(n * sizeof(T)));
    release_buffer(p, n * sizeof(T));
  }
  template <class U>
  bool operator==(const WorkAllocator<U>&) const {
    return true;
  }
};

// Lives no longer than the call of the kernel that made it.
template <class T>
using WorkVector = std::vector<T, WorkAllocator<T>>;

}  // namespace lathe
