// A small seeded generator whose draws are the same on every platform (unlike std::*_distribution).
#pragma once
#include <cmath>
#include <cstdint>
#include <numbers>
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
  double normal() {  // Box-Muller
    const double u = 1.0 - uniform(), v = uniform();
    return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
  }

 private:
  uint64_t state_;
};

}  // namespace lathe
