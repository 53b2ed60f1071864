// Codes of 2, 4 and 8 bits as com.microsoft packs them: low bits of a byte first.
#pragma once
#include <cstdint>

#include "ir/base/error.h"

namespace lathe {

inline void check_nbits(int64_t bits, int64_t block) {
  if (bits != 2 && bits != 4 && bits != 8) fail("{} bits, not 2, 4 or 8", bits);
  if (block < 16 || block > (int64_t{1} << 30) || (block & (block - 1)) != 0) fail("block_size {}", block);
}

inline int code_at(const uint8_t* packed, int64_t i, int bits) {
  const int per_byte = 8 / bits;
  return (packed[i / per_byte] >> (bits * static_cast<int>(i % per_byte))) & ((1 << bits) - 1);
}

}  // namespace lathe
