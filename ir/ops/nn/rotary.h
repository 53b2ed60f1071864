// Rotary position embedding (Su et al., "RoFormer"): pairs of features turned by an angle of their position.
#pragma once
#include <functional>

#include "ir/ops/nn/attention_core.h"

namespace lathe {

struct Rotation {
  int64_t batch = 0, heads = 0, rows = 0, size = 0;
  int64_t turned = 0;        // leading features that are turned (even); the others are copied
  bool interleaved = false;  // pairs are (0, 1), (2, 3), ...; otherwise (0, turned / 2), ...
};

// cos and sin hold rows of turned / 2; row_of gives the row of a batch entry's position.
template <class T>
void rotate(const Rotation& n, Heads<const T> x, Heads<T> y, const T* cos, const T* sin,
            const std::function<int64_t(int64_t b, int64_t s)>& row_of);

}  // namespace lathe
