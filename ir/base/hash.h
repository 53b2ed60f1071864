// Fast non-cryptographic hashing (for change detection, interning, CSE keys; equality is always confirmed by
// compare).
#pragma once
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace lathe {

inline uint64_t mix(uint64_t x) {  // splitmix64 finalizer (Steele, Lea, Flood 2014)
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ull;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

inline uint64_t hash_combine(uint64_t h, uint64_t x) { return mix(h ^ (x + 0x9e3779b97f4a7c15ull)); }

inline uint64_t hash_bytes(const void* data, size_t size, uint64_t seed = 0) {
  // Four independent lanes keep the multiplier busy: about memory speed for large tensors.
  const auto* p = static_cast<const unsigned char*>(data);
  uint64_t lane[4] = {seed, seed + 1, seed + 2, seed + 3};
  size_t left = size;
  for (; left >= 32; left -= 32, p += 32) {
    for (int i = 0; i < 4; ++i) {
      uint64_t w;
      std::memcpy(&w, p + 8 * i, 8);
      lane[i] = (lane[i] ^ w) * 0x9fb21c651e98df25ull;
      lane[i] ^= lane[i] >> 32;
    }
  }
  uint64_t h = hash_combine(seed, size);
  for (uint64_t l : lane) h = hash_combine(h, l);
  while (left > 0) {
    uint64_t w = 0;
    const size_t n = left < 8 ? left : 8;
    std::memcpy(&w, p, n);
    h = hash_combine(h, w);
    p += n;
    left -= n;
  }
  return h;
}

inline uint64_t hash_string(std::string_view s, uint64_t seed = 0) {
  return hash_bytes(s.data(), s.size(), seed);
}

}  // namespace lathe
