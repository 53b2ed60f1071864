#include "ir/ops/broadcast.h"

#include <fmt/ranges.h>

namespace lathe {
namespace {

std::string list(std::span<const int64_t> dims) { return fmt::format("[{}]", fmt::join(dims, ", ")); }

}  // namespace

Dims broadcast_dims(std::span<const int64_t> a, std::span<const int64_t> b) {
  Dims out(std::max(a.size(), b.size()));
  for (size_t i = 0; i < out.size(); ++i) {
    const size_t back = out.size() - i;
    const int64_t x = back <= a.size() ? a[a.size() - back] : 1,
                  y = back <= b.size() ? b[b.size() - back] : 1;
    if (x != y && x != 1 && y != 1) fail("shapes {} and {} do not broadcast", list(a), list(b));
    out[i] = x == 1 ? y : x;
  }
  return out;
}

Dims row_major_strides(std::span<const int64_t> dims) {
  Dims strides(dims.size());
  int64_t step = 1;
  for (size_t i = dims.size(); i-- > 0;) {
    strides[i] = step;
    step *= std::max<int64_t>(dims[i], 1);
  }
  return strides;
}

Dims broadcast_strides(std::span<const int64_t> in, std::span<const int64_t> out) {
  if (in.size() > out.size()) fail("shape {} does not broadcast to {}", list(in), list(out));
  const Dims own = row_major_strides(in);
  Dims strides(out.size());
  const size_t lead = out.size() - in.size();
  for (size_t i = 0; i < in.size(); ++i) {
    if (in[i] != out[lead + i] && in[i] != 1) fail("shape {} does not broadcast to {}", list(in), list(out));
    strides[lead + i] = in[i] == 1 ? 0 : own[i];
  }
  return strides;
}

int64_t normalize_axis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank) fail("axis {} is outside of a tensor of rank {}", axis, rank);
  return axis < 0 ? axis + rank : axis;
}

int64_t span_count(std::span<const int64_t> dims, size_t begin, size_t end) {
  return element_count(dims.subspan(begin, end - begin));
}

}  // namespace lathe
