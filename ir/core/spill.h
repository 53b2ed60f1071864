// A place for what a pass makes of large weights and nobody reads before the model is saved: an unnamed file
// beside the output instead of memory. The first 64 MB stay in memory, and everything where no file can be
// made.
#pragma once
#include <filesystem>

#include "ir/core/tensor.h"

namespace lathe {

// Where files may be made; empty (the default): nowhere, all stays in memory. Call before any spill.
void set_spill_folder(std::filesystem::path folder);

// Uninitialized bytes that are written once: in a file or in memory.
struct Spill {
  std::byte* data = nullptr;
  std::shared_ptr<const void> keep;
  // The tensor of these bytes, which are not written any more. Their pages leave memory.
  Tensor tensor(DType dtype, std::vector<int64_t> dims) const;
};
Spill spill(size_t bytes);

// The same tensor, its bytes in a file if there is need.
Tensor spilled(const Tensor& t);

}  // namespace lathe
