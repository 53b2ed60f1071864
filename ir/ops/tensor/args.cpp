#include "ir/ops/tensor/args.h"

#include <algorithm>
#include <cstring>

namespace lathe {

std::vector<int64_t> axes_in(std::span<const int64_t> axes, int64_t rank) {
  std::vector<int64_t> out;
  for (const int64_t a : axes) out.push_back(normalize_axis(a, rank));
  std::sort(out.begin(), out.end());
  const auto twice = std::adjacent_find(out.begin(), out.end());
  if (twice != out.end()) fail("axis {} is given twice", *twice);
  return out;
}

std::vector<int64_t> read_ints(const Tensor& t) {
  if (t.dtype == DType::I64) {
    std::vector<int64_t> out(static_cast<size_t>(t.count()));
    if (!out.empty()) std::memcpy(out.data(), t.bytes().data(), t.byte_size());
    return out;
  }
  if (!is_integer(t.dtype)) fail("integers are needed here, not {}", onnx_name(t.dtype));
  return t.to_i64();
}

std::vector<int64_t> normalize_axes(const InferCtx& c, std::span<const int64_t> axes, int64_t rank) {
  std::vector<int64_t> out;
  for (const int64_t a : axes) out.push_back(normalize_axis(c, a, rank));
  std::sort(out.begin(), out.end());
  const auto twice = std::adjacent_find(out.begin(), out.end());
  if (twice != out.end()) c.contradiction(fmt::format("axis {} is given twice", *twice));
  return out;
}

std::optional<std::vector<int64_t>> known_ints(const InferCtx& c, size_t i) {
  const auto v = c.value(i);
  return v ? as_constants(*v) : std::nullopt;
}

std::optional<int64_t> known_length(const InferCtx& c, size_t i) {
  const Shape* s = c.shape(i);
  return s != nullptr && s->size() == 1 ? (*s)[0].constant() : std::nullopt;
}

Shape unknown_shape(int64_t rank) {
  Shape s;
  for (int64_t i = 0; i < rank; ++i) s.push_back(Dim::unknown());
  return s;
}

Shape to_shape(std::span<const int64_t> dims) { return {dims.begin(), dims.end()}; }

void pass_value(InferCtx& c, size_t i) {
  if (auto v = c.value(i)) c.out_value(0, std::move(*v));
}

Tensor share(const Tensor& t, std::vector<int64_t> dims) {
  Tensor out = t.reshaped(std::move(dims));
  out.name.clear();
  out.spelling.reset();
  return out;
}

}  // namespace lathe
