// Concat, Split: boxes of one tensor along an axis.
#include "ir/ops/op_def.h"
#include "ir/ops/relations.h"
#include "ir/ops/tensor/args.h"
#include "ir/ops/tensor/strided.h"
#include "ir/ops/tensor/units.h"

namespace lathe {
namespace {

// ---------------------------------------------------------------- Concat

// Two sizes that must be equal: the more telling one.
Dim same_size(const InferCtx& c, const Dim& a, const Dim& b) {
  if (a == b) return a;
  must_equal(c, a, b);
  if (a.is_const() && b.is_const()) c.contradiction(fmt::format("sizes {} and {} differ", a.str(), b.str()));
  if (b.is_const()) return b;
  return a.has_unknown() && !b.has_unknown() && !a.is_const() ? b : a;
}

void infer_concat(InferCtx& c) {
  const int64_t axis = c.attrs().i("axis", 0);
  Shape out, contents;
  bool shaped = c.inputs() > 0, valued = true;
  for (size_t i = 0; i < c.inputs(); ++i) {
    const auto v = c.value(i);
    valued = valued && v && c.rank(i) == 1;
    if (valued) contents.insert(contents.end(), v->begin(), v->end());
    const Shape* s = c.shape(i);
    if (s == nullptr) shaped = false;
    if (!shaped) continue;
    if (out.empty()) {
      out = *s;
      continue;
    }
    if (s->size() != out.size())
      c.contradiction(fmt::format("ranks {} and {} differ", out.size(), s->size()));
    const auto a = static_cast<size_t>(normalize_axis(c, axis, static_cast<int64_t>(s->size())));
    for (size_t k = 0; k < out.size(); ++k)
      out[k] = k == a ? out[k] + (*s)[k] : same_size(c, out[k], (*s)[k]);
  }
  if (valued && c.inputs() > 0) c.out_value(0, std::move(contents));
  if (!shaped) return c.out(0, c.dtype(0));
  normalize_axis(c, axis, static_cast<int64_t>(out.size()));
  c.out(0, c.dtype(0), std::move(out));
}

void eval_concat(EvalCtx& c) {
  if (c.inputs() == 0) fail("nothing to concatenate");
  std::vector<int64_t> dims = c.raw(0).dims;
  const auto axis = static_cast<size_t>(normalize_axis(c.attrs().i("axis", 0), c.raw(0).rank()));
  for (size_t i = 1; i < c.inputs(); ++i) {
    const Tensor& x = c.raw(i);
    if (x.dims.size() != dims.size()) fail("ranks {} and {} differ", dims.size(), x.rank());
    for (size_t k = 0; k < dims.size(); ++k)
      if (k != axis && x.dims[k] != dims[k]) fail("sizes {} and {} of axis {} differ", dims[k], x.dims[k], k);
    dims[axis] = checked_add(dims[axis], x.dims[axis]);
  }
  if (c.inputs() == 1) return c.set(0, share(c.raw(0), dims));
  Units u(c.raw(0).dtype);
  Tensor& y = u.out(c, 0, dims);
  const auto strides = row_major(dims);
  int64_t offset = 0;
  for (size_t i = 0; i < c.inputs(); ++i) {
    const Tensor x = u.enter(c.raw(i));
    copy_strided(x.dtype, y.mutable_bytes().data(), x.bytes().data(),
                 {x.dims, strides, row_major(x.dims), offset * strides[axis], 0});
    offset += x.dims[axis];
  }
  u.finish(c, 0, y);
}

// ---------------------------------------------------------------- Split

void infer_split(InferCtx& c) {
  const size_t parts = c.outputs();
  const Shape* s = c.shape(0);
  const int64_t axis_attr = c.attrs().i("axis", 0);
  const auto sizes = c.has(1) ? c.value(1) : std::nullopt;
  if (sizes && sizes->size() != parts)
    c.contradiction(fmt::format("{} sizes for {} outputs", sizes->size(), parts));
  if (s == nullptr) {
    for (size_t i = 0; i < parts; ++i) c.out(i, c.dtype(0));
    return;
  }
  const auto axis = static_cast<size_t>(normalize_axis(c, axis_attr, static_cast<int64_t>(s->size())));
  const Dim all = (*s)[axis];
  const auto n = static_cast<int64_t>(parts);
  const Dim each = Dim::ceil_div(all, n);
  Dim left = all;
  if (sizes) {
    const Dim sum = [&] {
      Dim d = 0;
      for (const Dim& p : *sizes) d = d + p;
      return d;
    }();
    if (sum.is_const() && all.is_const() && !(sum == all))
      c.contradiction(fmt::format("sizes add up to {}, the axis has {}", sum.str(), all.str()));
  }
  for (size_t i = 0; i < parts; ++i) {
    Shape out = *s;
    if (sizes) {
      out[axis] = (*sizes)[i];
    } else if (c.has(1)) {
      out[axis] = Dim::unknown();
    } else {
      // Sizes that do not work out are the kernel's to refuse: function bodies have such nodes in branches
      // that are not taken.
      out[axis] = i + 1 < parts ? each : left;
      if (out[axis].is_const() && out[axis].value() < 0) out[axis] = Dim::unknown();
      left = left - each;
    }
    c.out(i, c.dtype(0), std::move(out));
  }
}

void eval_split(EvalCtx& c) {
  const Tensor& x = c.raw(0);
  const auto axis = static_cast<size_t>(normalize_axis(c.attrs().i("axis", 0), x.rank()));
  const int64_t all = x.dims[axis];
  const auto parts = static_cast<int64_t>(c.node().out.size());
  std::vector<int64_t> sizes;
  if (const Tensor* given = c.maybe(1)) {
    sizes = given->to_i64();
    int64_t sum = 0;
    for (const int64_t s : sizes) {
      if (s < 0) fail("negative size {}", s);
      sum = checked_add(sum, s);
    }
    if (sum != all) fail("sizes add up to {}, the axis has {}", sum, all);
  } else {
    if (parts == 0) fail("no outputs");
    const int64_t each = all / parts + (all % parts != 0 ? 1 : 0);
    for (int64_t i = 0; i < parts; ++i) sizes.push_back(i + 1 < parts ? each : all - each * (parts - 1));
    if (sizes.back() < 0) fail("{} do not split in {}", all, parts);
  }
  if (static_cast<int64_t>(sizes.size()) != parts) fail("{} sizes for {} outputs", sizes.size(), parts);
  Units u(x.dtype);
  const Tensor from = u.enter(x);
  const auto strides = row_major(from.dims);
  int64_t offset = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (c.wants(i)) {
      std::vector<int64_t> dims = from.dims;
      dims[axis] = sizes[i];
      Tensor& y = u.out(c, i, dims);
      const auto to = row_major(dims);
      copy_strided(from.dtype, y.mutable_bytes().data(), from.bytes().data(),
                   {std::move(dims), to, strides, 0, offset * strides[axis]});
      u.finish(c, i, y);
    }
    offset += sizes[i];
  }
}

}  // namespace

void register_concat(OpRegistry& r) {
  r.add({"", "Concat", infer_concat, eval_concat, Exactness::bitwise});
  r.add({"", "Split", infer_split, eval_split, Exactness::bitwise});
}

}  // namespace lathe
