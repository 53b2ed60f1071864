#pragma once
#include <cstdint>
#include <string_view>

#include "ir/base/rng.h"

namespace lathe::test {

// A byte made wrong, by `how`: 0 a flipped bit, 1 any byte, 2 one of `edges`.
inline char spoiled(char c, int64_t how, Rng& rng, std::string_view edges) {
  if (how == 0) return static_cast<char>(c ^ (1 << rng.integer(0, 7)));
  if (how == 1) return static_cast<char>(rng.integer(0, 255));
  return edges[static_cast<size_t>(rng.integer(0, static_cast<int64_t>(edges.size()) - 1))];
}

}  // namespace lathe::test
