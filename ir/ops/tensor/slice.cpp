// Slice (numpy semantics: starts and ends clamp).
#include <algorithm>
#include <limits>
#include <numeric>

#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"
#include "ir/ops/tensor/strided.h"
#include "ir/ops/tensor/units.h"

namespace lathe {
namespace {

struct Span {
  int64_t start, step, size;
};

Span clamp_span(int64_t start, int64_t end, int64_t step, int64_t dim) {
  const auto from_back = [&](int64_t i) { return i < 0 ? i + dim : i; };  // i >= -2^63, dim >= 0: no overflow
  const int64_t lo = step > 0 ? 0 : -1, hi = step > 0 ? dim : dim - 1;
  start = std::clamp<int64_t>(from_back(start), step > 0 ? 0 : (dim > 0 ? 0 : -1), std::max(hi, lo));
  end = std::clamp<int64_t>(from_back(end), lo, std::max(hi, lo));
  const auto gap = static_cast<uint64_t>(step > 0 ? end - start : start - end);
  if (step > 0 ? end <= start : end >= start) return {start, step, 0};
  const uint64_t stride = step > 0 ? static_cast<uint64_t>(step) : 0 - static_cast<uint64_t>(step);
  return {start, step, static_cast<int64_t>((gap - 1) / stride + 1)};
}

// ---------------------------------------------------------------- inference

constexpr int64_t kFar =
    std::numeric_limits<int32_t>::max();  // exporters spell "to the end" as INT32_MAX or INT64_MAX

// A bound of a slice of `dim` elements, inside [0, dim]; nullopt where its place is not known.
std::optional<Dim> bound(Dim b, Dim dim) {
  if (b.is_const() && b.value() >= kFar) return dim;
  if (b.is_const() && b.value() < 0) {
    if (b.value() <= -kFar) return Dim(0);
    return Dim::max(dim + b, Dim(0));
  }
  if (b.is_unknown()) return std::nullopt;
  if (!b.is_const() && !Dim::provably_ge(b, Dim(0))) {
    // An expression like `n - 1` may be negative at n = 0 only; counted from the back it would then be -1.
    if (!Dim::provably_ge(b, Dim(0), 1)) return std::nullopt;
  }
  return Dim::provably_ge(dim, b) ? b : Dim::min(b, dim);
}

Dim sliced_size(Dim start, Dim end, std::optional<Dim> step, Dim dim) {
  if (!step || !step->is_const()) return Dim::unknown();
  const int64_t k = step->value();
  if (start.is_const() && end.is_const() && dim.is_const())
    return clamp_span(start.value(), end.value(), k, dim.value()).size;
  if (k < 0) {
    const bool whole = start.is_const() && end.is_const() && (start.is_const(-1) || start.value() >= kFar) &&
                       end.value() <= -kFar;
    return whole ? Dim::ceil_div(dim, Dim(-k)) : Dim::unknown();
  }
  const auto from = bound(start, dim), to = bound(end, dim);
  if (!from || !to) return Dim::unknown();
  Dim gap = *to - *from;
  if (!Dim::provably_ge(gap, Dim(0))) gap = Dim::max(gap, Dim(0));
  return k == 1 ? gap : Dim::ceil_div(gap, k);
}

std::optional<Shape> ints_or_value(const InferCtx& c, size_t i) {
  return c.has(i) ? c.value(i) : std::nullopt;
}

void infer_slice(InferCtx& c) {
  const Shape* s = c.shape(0);
  if (s == nullptr) return c.out(0, c.dtype(0));
  const auto starts = ints_or_value(c, 1), ends = ints_or_value(c, 2), steps = ints_or_value(c, 4);
  std::optional<int64_t> count =
      starts ? std::optional(static_cast<int64_t>(starts->size())) : known_length(c, 1);
  if (!count && ends) count = static_cast<int64_t>(ends->size());
  std::vector<int64_t> axes;
  if (c.has(3)) {
    const auto given = known_ints(c, 3);
    if (!given) return c.out(0, c.dtype(0), unknown_shape(static_cast<int64_t>(s->size())));
    for (const int64_t a : *given) axes.push_back(normalize_axis(c, a, static_cast<int64_t>(s->size())));
  } else {
    axes.resize(static_cast<size_t>(std::min(count.value_or(0), static_cast<int64_t>(s->size()))));
    std::iota(axes.begin(), axes.end(), 0);
    if (!count) return c.out(0, c.dtype(0), unknown_shape(static_cast<int64_t>(s->size())));
  }
  Shape out = *s;
  bool known = true;
  for (size_t k = 0; k < axes.size(); ++k) {
    const auto a = static_cast<size_t>(axes[k]);
    const auto at = [&](const std::optional<Shape>& v) {
      return v && k < v->size() ? (*v)[k] : Dim::unknown();
    };
    const std::optional<Dim> step =
        c.has(4) ? (steps && k < steps->size() ? std::optional((*steps)[k]) : std::nullopt)
                 : std::optional(Dim(1));
    if (step && step->is_const(0)) c.contradiction("step 0");
    out[a] = sliced_size(at(starts), at(ends), step, (*s)[a]);
    known = known && step && step->is_const() && at(starts).is_const() && at(ends).is_const();
  }
  if (known && s->size() == 1 && axes.size() <= 1) {
    if (auto v = c.value(0)) {
      const auto n = static_cast<int64_t>(v->size());
      Shape part;
      const Span span = axes.empty() ? Span{0, 1, n}
                                     : clamp_span((*starts)[0].value(), (*ends)[0].value(),
                                                  c.has(4) ? (*steps)[0].value() : 1, n);
      for (int64_t i = 0; i < span.size; ++i)
        part.push_back((*v)[static_cast<size_t>(span.start + i * span.step)]);
      c.out_value(0, std::move(part));
    }
  }
  c.out(0, c.dtype(0), std::move(out));
}

// ---------------------------------------------------------------- kernel

void eval_slice(EvalCtx& c) {
  const Tensor& x = c.raw(0);
  const auto starts = c.raw(1).to_i64(), ends = c.in(2).to_i64();
  std::vector<int64_t> axes(starts.size());
  std::iota(axes.begin(), axes.end(), 0);
  if (const Tensor* a = c.maybe(3)) axes = a->to_i64();
  std::vector<int64_t> steps(starts.size(), 1);
  if (const Tensor* s = c.maybe(4)) steps = s->to_i64();
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size())
    fail("starts, ends, axes and steps have {}, {}, {} and {} entries", starts.size(), ends.size(),
         axes.size(), steps.size());
  axes_in(axes, x.rank());  // in range, none twice

  Units u(x.dtype);
  const Tensor from = u.enter(x);
  StridedBox box;
  box.dims = x.dims;
  box.from = row_major(x.dims);
  for (size_t k = 0; k < axes.size(); ++k) {
    const auto a = static_cast<size_t>(normalize_axis(axes[k], x.rank()));
    if (steps[k] == 0) fail("step 0");
    const Span span = clamp_span(starts[k], ends[k], steps[k], x.dims[a]);
    box.dims[a] = span.size;
    if (span.size == 0) continue;
    box.from_offset += span.start * box.from[a];
    box.from[a] = span.size == 1 ? 0 : box.from[a] * span.step;
  }
  if (box.dims == x.dims && box.from == row_major(x.dims) && box.from_offset == 0)
    return c.set(0, share(x, x.dims));
  box.to = row_major(box.dims);
  Tensor& y = u.out(c, 0, box.dims);
  copy_strided(from.dtype, y.mutable_bytes().data(), from.bytes().data(), std::move(box));
  u.finish(c, 0, y);
}

}  // namespace

void register_slice(OpRegistry& r) { r.add({"", "Slice", infer_slice, eval_slice, Exactness::bitwise}); }

}  // namespace lathe
