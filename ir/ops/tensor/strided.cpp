#include "ir/ops/tensor/strided.h"

#include <algorithm>
#include <cstring>

#include "ir/base/parallel.h"
#include "ir/ops/tensor/units.h"

namespace lathe {
namespace {

constexpr int64_t kTile = 16;  // a tile of a transposition: two cache lines wide at 8 bytes
constexpr int64_t kChunkElements = 1 << 15;

// Drops axes of size 1 and merges neighbours that are one run in both layouts.
void simplify(StridedBox& b) {
  StridedBox s;
  s.to_offset = b.to_offset;
  s.from_offset = b.from_offset;
  for (size_t i = 0; i < b.dims.size(); ++i) {
    if (b.dims[i] == 1) continue;
    if (!s.dims.empty() && s.to.back() == b.to[i] * b.dims[i] && s.from.back() == b.from[i] * b.dims[i]) {
      s.dims.back() *= b.dims[i];
      s.to.back() = b.to[i];
      s.from.back() = b.from[i];
      continue;
    }
    s.dims.push_back(b.dims[i]);
    s.to.push_back(b.to[i]);
    s.from.push_back(b.from[i]);
  }
  b = std::move(s);
}

template <class U>
void copy_row(U* to, int64_t to_step, const U* from, int64_t from_step, int64_t n) {
  if (to_step == 1 && from_step == 1) {
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(U));
  } else if (to_step == 1 && from_step == 0) {
    std::fill_n(to, n, *from);
  } else {
    for (int64_t i = 0; i < n; ++i) to[i * to_step] = from[i * from_step];
  }
}

// rows x cols, tile by tile, so that both sides stay in cache whichever of them runs across.
template <class U>
void copy_tiled(U* to, int64_t to_row, int64_t to_col, const U* from, int64_t from_row, int64_t from_col,
                int64_t rows, int64_t cols) {
  for (int64_t r0 = 0; r0 < rows; r0 += kTile) {
    const int64_t r1 = std::min(rows, r0 + kTile);
    for (int64_t c0 = 0; c0 < cols; c0 += kTile) {
      const int64_t c1 = std::min(cols, c0 + kTile);
      for (int64_t r = r0; r < r1; ++r)
        for (int64_t c = c0; c < c1; ++c) to[r * to_row + c * to_col] = from[r * from_row + c * from_col];
    }
  }
}

// Calls body(to offset, from offset) for every index of the leading axes.
template <class F>
void for_each_outer(const StridedBox& b, size_t axes, int64_t inner_elements, const F& body) {
  int64_t outer = 1;
  for (size_t i = 0; i < axes; ++i) outer *= b.dims[i];
  const int64_t grain = std::max<int64_t>(1, kChunkElements / std::max<int64_t>(1, inner_elements));
  parallel_for(outer, grain, [&](int64_t begin, int64_t end) {
    std::vector<int64_t> index(axes);
    int64_t to = b.to_offset, from = b.from_offset;
    for (int64_t left = begin, i = static_cast<int64_t>(axes) - 1; i >= 0; --i) {
      const auto a = static_cast<size_t>(i);
      index[a] = left % b.dims[a];
      left /= b.dims[a];
      to += index[a] * b.to[a];
      from += index[a] * b.from[a];
    }
    for (int64_t k = begin; k < end; ++k) {
      body(to, from);
      for (size_t a = axes; a-- > 0;) {
        to += b.to[a];
        from += b.from[a];
        if (++index[a] < b.dims[a]) break;
        to -= b.to[a] * b.dims[a];
        from -= b.from[a] * b.dims[a];
        index[a] = 0;
      }
    }
  });
}

template <class U>
void copy_box(U* to, const U* from, StridedBox& b) {
  if (b.dims.empty()) {
    to[b.to_offset] = from[b.from_offset];
    return;
  }
  const size_t last = b.dims.size() - 1;
  // A transposition: the source runs along an axis that is not the last one. Make it the row axis of tiles.
  size_t run = last;
  for (size_t i = 0; i < last; ++i)
    if (b.from[i] == 1 && b.dims[i] >= 4 && b.from[last] != 1 && b.from[last] != 0) run = i;
  if (run != last) {
    std::swap(b.dims[run], b.dims[last - 1]);
    std::swap(b.to[run], b.to[last - 1]);
    std::swap(b.from[run], b.from[last - 1]);
    const int64_t rows = b.dims[last - 1], cols = b.dims[last];
    const bool split = rows * cols > 2 * kChunkElements && last == 1;  // one big matrix: cut its rows
    const int64_t grain = split ? std::max<int64_t>(kTile, kChunkElements / cols / kTile * kTile) : rows;
    for_each_outer(b, last - 1, rows * cols, [&](int64_t t, int64_t f) {
      parallel_for(rows, grain, [&](int64_t r0, int64_t r1) {
        copy_tiled(to + t + r0 * b.to[last - 1], b.to[last - 1], b.to[last], from + f + r0 * b.from[last - 1],
                   b.from[last - 1], b.from[last], r1 - r0, cols);
      });
    });
    return;
  }
  const int64_t n = b.dims[last], to_step = b.to[last], from_step = b.from[last];
  const int64_t grain = last == 0 ? 8 * kChunkElements : n;  // one long run: cut it
  for_each_outer(b, last, n, [&](int64_t t, int64_t f) {
    parallel_for(n, grain, [&](int64_t i0, int64_t i1) {
      copy_row(to + t + i0 * to_step, to_step, from + f + i0 * from_step, from_step, i1 - i0);
    });
  });
}

}  // namespace

std::vector<int64_t> row_major(std::span<const int64_t> dims) {
  std::vector<int64_t> strides(dims.size());
  uint64_t step = 1;  // may wrap where a zero dim leaves nothing to address
  for (size_t i = dims.size(); i-- > 0;) {
    strides[i] = static_cast<int64_t>(step);
    step *= static_cast<uint64_t>(std::max<int64_t>(dims[i], 1));
  }
  return strides;
}

void copy_strided(DType dtype, std::byte* to, const std::byte* from, StridedBox box) {
  if (std::find(box.dims.begin(), box.dims.end(), 0) != box.dims.end()) return;
  simplify(box);
  with_unit(dtype,
            [&]<class U>(U) { copy_box(reinterpret_cast<U*>(to), reinterpret_cast<const U*>(from), box); });
}

}  // namespace lathe
