// A small seeded generator whose draws are the same on every platform (unlike std::*_distribution).
#pragma once
#include <cstdint>
#include <string_view>

#include "ir/base/hash.h"

namespace lathe {

class Rng {
 public:
  explicit Rng(uint64_t seed) : state_(seed) {}
  Rng(uint64_t seed, std::string_view stream) : state_(hash_string(stream, seed)) {}

  uint64_t next() { return mix(state_ += 0x9e3779b97f4a7c15ull); }
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }  // [0, 1)
  double uniform(double lo, double hi) { return lo + (hi - lo) * uniform(); }
  // lo..hi, both included.
  int64_t integer(int64_t lo, int64_t hi) {
    const uint64_t range = static_cast<uint64_t>(hi) - static_cast<uint64_t>(lo) + 1;
    return range == 0 ? static_cast<int64_t>(next())
                      : static_cast<int64_t>(static_cast<uint64_t>(lo) + next() % range);
  }
  // About normal, of variance 1, within 3.5: the sum of the four 16-bit parts of one draw (Irwin-Hall).
  float bell() {
    const uint64_t x = next();
    const auto sum = static_cast<int32_t>((x & 0xffff) + (x >> 16 & 0xffff) + (x >> 32 & 0xffff) + (x >> 48));
    return static_cast<float>(sum - 2 * 0xffff) * 0x1.bb67aep-16F;  // sqrt(3) / 65536
  }

 private:
  uint64_t state_;
};

}  // namespace lathe
