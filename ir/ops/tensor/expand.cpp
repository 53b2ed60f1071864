// Expand, Tile: repeats of a tensor.
#include <algorithm>

#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"
#include "ir/ops/tensor/strided.h"
#include "ir/ops/tensor/units.h"

namespace lathe {
namespace {

// ---------------------------------------------------------------- Expand

void infer_expand(InferCtx& c) {
  const Shape* s = c.shape(0);
  const auto want = c.value(1);
  if (s == nullptr || !want) {
    const auto n = known_length(c, 1);
    if (s != nullptr && n && *n <= 64)
      return c.out(0, c.dtype(0), unknown_shape(std::max(*n, static_cast<int64_t>(s->size()))));
    return c.out(0, c.dtype(0));
  }
  Shape out = broadcast_shapes(c, *s, *want);
  // A small integer that is repeated a known number of times is shape arithmetic (torch: expand a scalar to
  // [rank]).
  if (out.size() <= 1) {
    const auto v = c.value(0);
    const Dim n = out.empty() ? Dim(1) : out[0];
    if (v && n.is_const() && n.value() <= 64) {
      if (v->size() == 1) c.out_value(0, Shape(static_cast<size_t>(n.value()), (*v)[0]));
      if (v->size() > 1) c.out_value(0, *v);
    }
  }
  c.out(0, c.dtype(0), std::move(out));
}

void eval_expand(EvalCtx& c) {
  const Tensor& x = c.raw(0);
  const auto want = c.raw(1).to_i64();
  const size_t rank = std::max(want.size(), x.dims.size());
  const auto strides = row_major(x.dims);
  StridedBox box;
  for (size_t i = 0; i < rank; ++i) {
    const size_t lead_x = rank - x.dims.size(), lead_w = rank - want.size();
    const int64_t have = i < lead_x ? 1 : x.dims[i - lead_x], asked = i < lead_w ? 1 : want[i - lead_w];
    if (asked < 0) fail("negative size {} in the shape", asked);
    if (have != asked && have != 1 && asked != 1) fail("size {} does not expand to {}", have, asked);
    box.dims.push_back(have == 1 ? asked : have);
    box.from.push_back(have == 1 ? 0 : strides[i - lead_x]);
  }
  if (element_count(box.dims) == x.count()) return c.set(0, share(x, box.dims));
  Units u(x.dtype);
  const Tensor from = u.enter(x);
  Tensor& y = u.out(c, 0, box.dims);
  box.to = row_major(box.dims);
  copy_strided(from.dtype, y.mutable_bytes().data(), from.bytes().data(), std::move(box));
  u.finish(c, 0, y);
}

// ---------------------------------------------------------------- Tile

void infer_tile(InferCtx& c) {
  const Shape* s = c.shape(0);
  if (s == nullptr) return c.out(0, c.dtype(0));
  const auto repeats = c.value(1);
  if (!repeats) return c.out(0, c.dtype(0), unknown_shape(static_cast<int64_t>(s->size())));
  if (repeats->size() != s->size())
    c.contradiction(fmt::format("{} repeats for rank {}", repeats->size(), s->size()));
  Shape out;
  for (size_t i = 0; i < s->size(); ++i) {
    if ((*repeats)[i].is_const() && (*repeats)[i].value() < 0) c.contradiction("negative repeat");
    out.push_back((*s)[i] * (*repeats)[i]);
  }
  if (const auto v = c.value(0); v && s->size() == 1 && (*repeats)[0].is_const() &&
                                 (*repeats)[0].value() * static_cast<int64_t>(v->size()) <= 64) {
    Shape contents;
    for (int64_t k = 0; k < (*repeats)[0].value(); ++k) contents.insert(contents.end(), v->begin(), v->end());
    c.out_value(0, std::move(contents));
  }
  c.out(0, c.dtype(0), std::move(out));
}

void eval_tile(EvalCtx& c) {
  const Tensor& x = c.raw(0);
  const auto repeats = c.raw(1).to_i64();
  if (repeats.size() != x.dims.size()) fail("{} repeats for rank {}", repeats.size(), x.rank());
  const auto strides = row_major(x.dims);
  std::vector<int64_t> dims;
  StridedBox box;
  for (size_t i = 0; i < repeats.size(); ++i) {
    if (repeats[i] < 0) fail("negative repeat {}", repeats[i]);
    dims.push_back(checked_mul(x.dims[i], repeats[i]));
    box.dims.insert(box.dims.end(), {repeats[i], x.dims[i]});
    box.from.insert(box.from.end(), {0, strides[i]});
  }
  Units u(x.dtype);
  const Tensor from = u.enter(x);
  Tensor& y = u.out(c, 0, dims);
  box.to = row_major(box.dims);
  copy_strided(from.dtype, y.mutable_bytes().data(), from.bytes().data(), std::move(box));
  u.finish(c, 0, y);
}

}  // namespace

void register_expand(OpRegistry& r) {
  r.add({"", "Expand", infer_expand, eval_expand, Exactness::bitwise});
  r.add({"", "Tile", infer_tile, eval_tile, Exactness::bitwise});
}

}  // namespace lathe
