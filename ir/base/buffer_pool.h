// Memory for tensors' bytes. Large freed buffers are kept for the next tensor of about that size: fresh pages
// from the system cost more than most kernels. Thread-safe.
#pragma once
#include <cstddef>

namespace lathe {

// 64-byte aligned, uninitialized; null when there is no memory. Give back with release_buffer(p, the same
// size).
void* acquire_buffer(size_t bytes);
void release_buffer(void* p, size_t bytes);

}  // namespace lathe
