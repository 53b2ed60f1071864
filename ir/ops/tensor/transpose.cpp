// Transpose, DepthToSpace, SpaceToDepth: one permutation of a (split) box.
#include <algorithm>
#include <numeric>

#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"
#include "ir/ops/tensor/strided.h"
#include "ir/ops/tensor/units.h"

namespace lathe {
namespace {

bool is_permutation_of_rank(const std::vector<int64_t>& perm, size_t rank) {
  std::vector<int64_t> sorted = perm;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < sorted.size(); ++i)
    if (sorted[i] != static_cast<int64_t>(i)) return false;
  return perm.size() == rank;
}

std::vector<int64_t> reversed_axes(size_t rank) {
  std::vector<int64_t> perm(rank);
  std::iota(perm.rbegin(), perm.rend(), 0);
  return perm;
}

// x seen as `view`, its axes permuted, written to output 0 under the dims `out`.
void permute(EvalCtx& c, const Tensor& x, const std::vector<int64_t>& view, const std::vector<int64_t>& perm,
             std::vector<int64_t> out) {
  // Moving axes of size 1 leaves the bytes where they are.
  std::vector<int64_t> real;
  std::copy_if(perm.begin(), perm.end(), std::back_inserter(real),
               [&](int64_t p) { return view[static_cast<size_t>(p)] != 1; });
  if (std::is_sorted(real.begin(), real.end())) return c.set(0, share(x, std::move(out)));

  Units u(x.dtype);
  const Tensor from = u.enter(x);
  Tensor& y = u.out(c, 0, std::move(out));
  const auto strides = row_major(view);
  StridedBox box;
  for (const int64_t p : perm) {
    box.dims.push_back(view[static_cast<size_t>(p)]);
    box.from.push_back(strides[static_cast<size_t>(p)]);
  }
  box.to = row_major(box.dims);
  copy_strided(from.dtype, y.mutable_bytes().data(), from.bytes().data(), std::move(box));
  u.finish(c, 0, y);
}

void infer_transpose(InferCtx& c) {
  const Shape* s = c.shape(0);
  auto perm = c.attrs().ints("perm");
  if (s == nullptr)
    return c.out(
        0, c.dtype(0),
        perm.empty() ? std::nullopt : std::optional(unknown_shape(static_cast<int64_t>(perm.size()))));
  if (perm.empty()) perm = reversed_axes(s->size());
  if (!is_permutation_of_rank(perm, s->size()))
    c.contradiction(fmt::format("perm is no permutation of the {} axes", s->size()));
  Shape out;
  for (const int64_t p : perm) out.push_back((*s)[static_cast<size_t>(p)]);
  if (out.size() <= 1) pass_value(c, 0);
  c.out(0, c.dtype(0), std::move(out));
}

void eval_transpose(EvalCtx& c) {
  const Tensor& x = c.raw(0);
  auto perm = c.attrs().ints("perm");
  if (perm.empty()) perm = reversed_axes(x.dims.size());
  if (!is_permutation_of_rank(perm, x.dims.size())) fail("perm is no permutation of the {} axes", x.rank());
  std::vector<int64_t> out;
  for (const int64_t p : perm) out.push_back(x.dims[static_cast<size_t>(p)]);
  permute(c, x, x.dims, perm, std::move(out));
}

// ---------------------------------------------------------------- DepthToSpace, SpaceToDepth

void infer_depth_space(InferCtx& c, bool to_space) {
  const Shape* s = c.shape(0);
  if (s == nullptr) return c.out(0, c.dtype(0), unknown_shape(4));
  if (s->size() != 4) c.contradiction("input must have rank 4");
  const int64_t b = c.attrs().i("blocksize", 0);
  if (b < 1 || b > (1 << 15)) c.contradiction(fmt::format("blocksize {}", b));
  const Shape& d = *s;
  if (to_space) return c.out(0, c.dtype(0), Shape{d[0], Dim::floor_div(d[1], b * b), d[2] * b, d[3] * b});
  c.out(0, c.dtype(0), Shape{d[0], d[1] * (b * b), Dim::floor_div(d[2], b), Dim::floor_div(d[3], b)});
}

void eval_depth_space(EvalCtx& c, bool to_space) {
  const Tensor& x = c.raw(0);
  if (x.rank() != 4) fail("input of rank {}, not 4", x.rank());
  const int64_t b = c.attrs().i("blocksize", 0);
  if (b < 1 || b > (1 << 15)) fail("blocksize {}", b);
  const int64_t n = x.dims[0], ch = x.dims[1], h = x.dims[2], w = x.dims[3], bb = b * b;
  if (to_space) {
    if (ch % bb != 0) fail("{} channels do not split into blocks of {}", ch, bb);
    const std::vector<int64_t> out = {n, ch / bb, checked_mul(h, b), checked_mul(w, b)};
    const std::string mode = c.attrs().s("mode", "DCR");
    if (mode == "DCR") return permute(c, x, {n, b, b, ch / bb, h, w}, {0, 3, 4, 1, 5, 2}, out);
    if (mode == "CRD") return permute(c, x, {n, ch / bb, b, b, h, w}, {0, 1, 4, 2, 5, 3}, out);
    fail("mode {}", mode);
  }
  if (h % b != 0 || w % b != 0) fail("{} x {} does not split into blocks of {}", h, w, b);
  const std::vector<int64_t> view = {n, ch, h / b, b, w / b, b}, out = {n, checked_mul(ch, bb), h / b, w / b};
  // Opset 28 gives SpaceToDepth the two modes of its inverse.
  const std::string mode = c.attrs().s("mode", "DCR");
  if (mode == "DCR") return permute(c, x, view, {0, 3, 5, 1, 2, 4}, out);
  if (mode == "CRD") return permute(c, x, view, {0, 1, 3, 5, 2, 4}, out);
  fail("mode {}", mode);
}

}  // namespace

void register_transpose(OpRegistry& r) {
  const auto exact = Exactness::bitwise;
  r.add({"", "DepthToSpace", [](InferCtx& c) { infer_depth_space(c, true); },
         [](EvalCtx& c) { eval_depth_space(c, true); }, exact});
  r.add({"", "SpaceToDepth", [](InferCtx& c) { infer_depth_space(c, false); },
         [](EvalCtx& c) { eval_depth_space(c, false); }, exact});
  r.add({"", "Transpose", infer_transpose, eval_transpose, exact});
}

}  // namespace lathe
