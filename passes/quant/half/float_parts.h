// A float32 constant in parts: wherever it begins in its file, and with no more of it in memory.
#pragma once
#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "ir/base/mapped_file.h"
#include "ir/core/tensor.h"

namespace lathe {

// see(std::span<const float>) of one part after the other, until it returns false.
template <class See>
void in_float_parts(const Tensor& t, See&& see) {
  constexpr size_t kPart = size_t{1} << 16;  // bytes; of a file, 16 of them are in memory
  constexpr size_t kKept = 16 * kPart;
  const std::span<const std::byte> bytes = t.bytes();
  std::vector<float> values(std::min(bytes.size(), kPart) / sizeof(float));
  size_t forgotten = 0;
  for (size_t at = 0; at < bytes.size();) {
    const size_t size = std::min(bytes.size() - at, kPart);
    std::memcpy(values.data(), bytes.data() + at, size);
    at += size;
    if (!see(std::span<const float>(values.data(), size / sizeof(float)))) break;
    if (at - forgotten < kKept) continue;
    MappedFile::forget(bytes.subspan(forgotten, at - forgotten));
    forgotten = at;
  }
  MappedFile::forget(bytes.subspan(forgotten));
}

}  // namespace lathe
