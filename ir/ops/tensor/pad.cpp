// Pad (constant, reflect, edge, wrap; negative pads cut), CenterCropPad.
#include <algorithm>
#include <numeric>

#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"
#include "ir/ops/tensor/strided.h"
#include "ir/ops/tensor/units.h"

namespace lathe {
namespace {

// Begin and end of every axis.
struct Pads {
  std::vector<int64_t> before, after;
};

Pads spread(std::span<const int64_t> pads, std::span<const int64_t> axes, size_t rank) {
  if (pads.size() != 2 * axes.size()) fail("{} pads for {} axes", pads.size(), axes.size());
  Pads p{std::vector<int64_t>(rank), std::vector<int64_t>(rank)};
  for (size_t k = 0; k < axes.size(); ++k) {
    const auto a = static_cast<size_t>(normalize_axis(axes[k], static_cast<int64_t>(rank)));
    p.before[a] = pads[k];
    p.after[a] = pads[axes.size() + k];
  }
  return p;
}

std::vector<int64_t> all_axes(size_t rank) {
  std::vector<int64_t> axes(rank);
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

void infer_pad(InferCtx& c) {
  const Shape* s = c.shape(0);
  if (s == nullptr) return c.out(0, c.dtype(0));
  const size_t rank = s->size();
  const auto pads = c.value(1);
  const auto axes = c.has(3) ? known_ints(c, 3) : all_axes(rank);
  if (!pads || !axes) return c.out(0, c.dtype(0), unknown_shape(static_cast<int64_t>(rank)));
  if (pads->size() != 2 * axes->size())
    c.contradiction(fmt::format("{} pads for {} axes", pads->size(), axes->size()));
  Shape out = *s;
  for (size_t k = 0; k < axes->size(); ++k) {
    Dim& d = out[static_cast<size_t>(normalize_axis(c, (*axes)[k], static_cast<int64_t>(rank)))];
    d = d + (*pads)[k] + (*pads)[axes->size() + k];
  }
  c.out(0, c.dtype(0), std::move(out));
}

// Which source element stands at place i (counted from the source's first); -1: the constant.
int64_t source_index(const std::string& mode, int64_t i, int64_t n) {
  if (i >= 0 && i < n) return i;
  if (mode == "constant") return -1;
  if (n == 0) fail("mode {} of an empty axis", mode);
  if (mode == "edge") return i < 0 ? 0 : n - 1;
  const int64_t period = mode == "wrap" ? n : 2 * (n - 1);
  if (period == 0) return 0;  // reflect of one element repeats it
  const int64_t r = (i % period + period) % period;
  return mode == "wrap" || r < n ? r : period - r;
}

void eval_pad(EvalCtx& c) {
  const Tensor& x = c.raw(0);
  const std::string mode = c.attrs().s("mode", "constant");
  if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap") fail("mode {}", mode);
  const size_t rank = x.dims.size();
  const auto axes = c.has(3) ? read_ints(c.in(3)) : all_axes(rank);
  const Pads pads = spread(read_ints(c.in(1)), axes, rank);
  std::vector<int64_t> dims;
  for (size_t i = 0; i < rank; ++i) {
    dims.push_back(checked_add(checked_add(x.dims[i], pads.before[i]), pads.after[i]));
    if (dims.back() < 0) fail("pads cut axis {} of size {} to {}", i, x.dims[i], dims.back());
  }
  Units u(x.dtype);
  const Tensor from = u.enter(x);
  Tensor fill = Tensor::make(from.dtype, {1});
  if (const Tensor* v = c.maybe(2)) {
    if (v->count() != 1) fail("the constant has {} elements", v->count());
    fill = u.enter(*v);
  } else if (x.dtype == DType::String) {
    fill = u.enter(Tensor::of_strings({1}, {""}));
  }
  Tensor& y = u.out(c, 0, dims);
  if (y.count() == 0) return u.finish(c, 0, y);

  // Source offset of every place along every axis; -1 where the constant stands.
  const auto strides = row_major(x.dims);
  std::vector<std::vector<int64_t>> place(rank);
  for (size_t a = 0; a < rank; ++a)
    for (int64_t i = 0; i < dims[a]; ++i) {
      const int64_t k = source_index(mode, i - pads.before[a], x.dims[a]);
      place[a].push_back(k < 0 ? -1 : k * strides[a]);
    }
  with_unit(from.dtype, [&]<class U>(U) {
    const U* src = units<U>(from);
    U* to = mutable_units<U>(y);
    const U v = units<U>(fill)[0];
    if (rank == 0) {
      *to = *src;
      return;
    }
    const int64_t row = dims.back();
    std::vector<int64_t> outer(dims.begin(), dims.end() - 1), index(outer.size());
    const int64_t rows = element_count(outer);
    const auto& last = place.back();
    // The middle of a row is a plain copy.
    const int64_t lo = std::clamp<int64_t>(pads.before.back(), 0, row),
                  hi = std::clamp<int64_t>(pads.before.back() + x.dims.back(), lo, row);
    for (int64_t r = 0; r < rows; ++r, to += row) {
      int64_t offset = 0;
      bool inside = true;
      for (size_t a = 0; a < index.size(); ++a) {
        const int64_t o = place[a][static_cast<size_t>(index[a])];
        inside = inside && o >= 0;
        offset += o;
      }
      if (!inside) {
        std::fill_n(to, row, v);
      } else {
        const auto edge = [&](int64_t i) {
          to[i] = last[static_cast<size_t>(i)] < 0 ? v : src[offset + last[static_cast<size_t>(i)]];
        };
        for (int64_t i = 0; i < lo; ++i) edge(i);
        if (hi > lo)
          std::memcpy(to + lo, src + offset + last[static_cast<size_t>(lo)],
                      static_cast<size_t>(hi - lo) * sizeof(U));
        for (int64_t i = hi; i < row; ++i) edge(i);
      }
      for (size_t a = index.size(); a-- > 0;) {
        if (++index[a] < outer[a]) break;
        index[a] = 0;
      }
    }
  });
  u.finish(c, 0, y);
}

// ---------------------------------------------------------------- CenterCropPad

void infer_center_crop_pad(InferCtx& c) {
  const Shape* s = c.shape(0);
  if (s == nullptr) return c.out(0, c.dtype(0));
  const auto want = c.value(1);
  const auto axes = c.attrs().has("axes") ? c.attrs().ints("axes") : all_axes(s->size());
  if (want && want->size() != axes.size())
    c.contradiction(fmt::format("{} sizes for {} axes", want->size(), axes.size()));
  Shape out = *s;
  for (size_t k = 0; k < axes.size(); ++k)
    out[static_cast<size_t>(normalize_axis(c, axes[k], static_cast<int64_t>(s->size())))] =
        want ? (*want)[k] : Dim::unknown();
  c.out(0, c.dtype(0), std::move(out));
}

void eval_center_crop_pad(EvalCtx& c) {
  const Tensor& x = c.raw(0);
  const auto want = read_ints(c.in(1));
  const auto axes = c.attrs().has("axes") ? c.attrs().ints("axes") : all_axes(x.dims.size());
  if (want.size() != axes.size()) fail("{} sizes for {} axes", want.size(), axes.size());
  axes_in(axes, x.rank());
  Units u(x.dtype);
  const Tensor from = u.enter(x);
  std::vector<int64_t> dims = x.dims;
  for (size_t k = 0; k < axes.size(); ++k) {
    if (want[k] < 0) fail("negative size {}", want[k]);
    dims[static_cast<size_t>(normalize_axis(axes[k], x.rank()))] = want[k];
  }
  Tensor& y = u.out(c, 0, dims);
  auto bytes = y.mutable_bytes();
  std::fill(bytes.begin(), bytes.end(), std::byte{0});
  StridedBox box{{}, row_major(dims), row_major(x.dims), 0, 0};
  for (size_t a = 0; a < dims.size(); ++a) {
    box.dims.push_back(std::min(dims[a], x.dims[a]));
    if (dims[a] < x.dims[a])
      box.from_offset += (x.dims[a] - dims[a]) / 2 * box.from[a];
    else
      box.to_offset += (dims[a] - x.dims[a]) / 2 * box.to[a];
  }
  copy_strided(from.dtype, bytes.data(), from.bytes().data(), std::move(box));
  u.finish(c, 0, y);
}

}  // namespace

void register_pad(OpRegistry& r) {
  r.add({"", "CenterCropPad", infer_center_crop_pad, eval_center_crop_pad, Exactness::bitwise});
  r.add({"", "Pad", infer_pad, eval_pad, Exactness::bitwise});
}

}  // namespace lathe
