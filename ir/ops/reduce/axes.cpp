#include "ir/ops/reduce/axes.h"

#include "ir/ops/broadcast.h"

namespace lathe {
namespace {

template <class Normalize>
std::vector<bool> mark(const std::vector<int64_t>& axes, bool none_if_empty, int64_t rank,
                       Normalize&& normalize) {
  std::vector<bool> reduced(static_cast<size_t>(rank), axes.empty() && !none_if_empty);
  for (const int64_t a : axes) reduced[static_cast<size_t>(normalize(a))] = true;
  return reduced;
}

}  // namespace

std::vector<bool> reduced_axes(const EvalCtx& c, size_t slot, int64_t rank) {
  const std::vector<int64_t> axes = c.has(slot) ? c.in(slot).to_i64() : std::vector<int64_t>{};
  return mark(axes, c.attrs().i("noop_with_empty_axes", 0) != 0, rank,
              [rank](int64_t a) { return normalize_axis(a, rank); });
}

std::optional<std::vector<bool>> reduced_axes(const InferCtx& c, size_t slot, int64_t rank) {
  std::vector<int64_t> axes;
  if (c.has(slot)) {
    const auto known = c.value(slot);
    if (!known) return std::nullopt;
    for (const Dim d : *known) {
      if (!d.is_const()) return std::nullopt;
      axes.push_back(d.value());
    }
  }
  return mark(axes, c.attrs().i("noop_with_empty_axes", 0) != 0, rank,
              [&c, rank](int64_t a) { return normalize_axis(c, a, rank); });
}

std::vector<int64_t> reduced_dims(const std::vector<int64_t>& dims, const std::vector<bool>& reduced,
                                  bool keep) {
  std::vector<int64_t> out;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (!reduced[i])
      out.push_back(dims[i]);
    else if (keep)
      out.push_back(1);
  }
  return out;
}

void infer_reduction(InferCtx& c, size_t slot, DType dtype) {
  const Shape* x = c.shape(0);
  if (x == nullptr) return c.out(0, dtype);
  const bool keep = c.attrs().i("keepdims", 1) != 0;
  Shape out;
  if (const auto reduced = reduced_axes(c, slot, static_cast<int64_t>(x->size()))) {
    for (size_t i = 0; i < x->size(); ++i) {
      if (!(*reduced)[i])
        out.push_back((*x)[i]);
      else if (keep)
        out.emplace_back(1);
    }
    return c.out(0, dtype, std::move(out));
  }
  if (!keep) return c.out(0, dtype);
  for (size_t i = 0; i < x->size(); ++i) out.push_back(Dim::unknown());
  c.out(0, dtype, std::move(out));
}

}  // namespace lathe
