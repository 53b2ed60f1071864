// Elements of 2, 4, 6 or 8 bits in a bit stream that fills each byte from its low bits on
// (TensorProto.raw_data).
#pragma once
#include <cstddef>
#include <cstdint>

namespace lathe {

inline int packed_code(const std::byte* data, int64_t i, int bits) {
  const int64_t at = i * bits;
  const int shift = static_cast<int>(at % 8);
  int word = std::to_integer<int>(data[at / 8]);
  if (shift + bits > 8) word |= std::to_integer<int>(data[at / 8 + 1]) << 8;
  return (word >> shift) & ((1 << bits) - 1);
}

inline void store_packed(std::byte* data, int64_t i, int bits, int code) {
  const int64_t at = i * bits;
  const int shift = static_cast<int>(at % 8), mask = ((1 << bits) - 1) << shift,
            value = (code << shift) & mask;
  const auto put = [](std::byte& byte, int keep, int bits_in) {
    byte = static_cast<std::byte>((std::to_integer<int>(byte) & keep) | bits_in);
  };
  put(data[at / 8], ~mask & 0xff, value & 0xff);
  if (shift + bits > 8) put(data[at / 8 + 1], ~(mask >> 8) & 0xff, value >> 8);
}

}  // namespace lathe
