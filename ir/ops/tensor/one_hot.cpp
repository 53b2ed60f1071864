// OneHot, ReverseSequence.
#include <algorithm>
#include <cstring>

#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"
#include "ir/ops/tensor/strided.h"
#include "ir/ops/tensor/units.h"

namespace lathe {
namespace {

// ---------------------------------------------------------------- OneHot

void infer_one_hot(InferCtx& c) {
  const Shape* s = c.shape(0);
  if (s == nullptr) return c.out(0, c.dtype(2));
  const auto axis = normalize_axis(c, c.attrs().i("axis", -1), static_cast<int64_t>(s->size()) + 1);
  const auto depth = c.value(1);
  Shape out = *s;
  out.insert(out.begin() + axis, depth && depth->size() == 1 ? (*depth)[0] : Dim::unknown());
  c.out(0, c.dtype(2), std::move(out));
}

void eval_one_hot(EvalCtx& c) {
  const Tensor &indices = c.in(0), &depth = c.in(1), &values = c.raw(2);
  if (depth.count() != 1) fail("depth has {} elements", depth.count());
  if (values.count() != 2) fail("values has {} elements, not 2", values.count());
  const int64_t n = depth.as_i64(0);  // a fractional depth is truncated
  if (n < 1) fail("depth {}", n);
  const auto axis = static_cast<size_t>(normalize_axis(c.attrs().i("axis", -1), indices.rank() + 1));
  std::vector<int64_t> dims = indices.dims;
  dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(axis), n);
  const int64_t inner = element_count(std::span<const int64_t>(indices.dims).subspan(axis));
  Units u(values.dtype);
  const Tensor v = u.enter(values);
  Tensor& y = u.out(c, 0, dims);
  with_unit(v.dtype, [&]<class U>(U) {
    const U off = units<U>(v)[0], on = units<U>(v)[1];
    U* to = mutable_units<U>(y);
    std::fill_n(to, y.count(), off);
    for (int64_t i = 0; i < indices.count(); ++i) {
      int64_t k = indices.as_i64(i);
      if (k < 0) k += n;
      if (k < 0 || k >= n) continue;  // out of range: all off
      to[(i / inner * n + k) * inner + i % inner] = on;
    }
  });
  u.finish(c, 0, y);
}

// ---------------------------------------------------------------- ReverseSequence

void infer_reverse_sequence(InferCtx& c) {
  const Shape* s = c.shape(0);
  c.out(0, c.dtype(0), s != nullptr ? std::optional(*s) : std::nullopt);
}

void eval_reverse_sequence(EvalCtx& c) {
  const Tensor& x = c.raw(0);
  if (x.rank() < 2) fail("input of rank {}", x.rank());
  const int64_t time = normalize_axis(c.attrs().i("time_axis", 0), x.rank()),
                batch = normalize_axis(c.attrs().i("batch_axis", 1), x.rank());
  if (time + batch != 1) fail("time_axis {} and batch_axis {} must be 0 and 1", time, batch);
  const auto lengths = read_ints(c.in(1));
  const int64_t steps = x.dims[static_cast<size_t>(time)], entries = x.dims[static_cast<size_t>(batch)];
  if (static_cast<int64_t>(lengths.size()) != entries)
    fail("{} lengths for a batch of {}", lengths.size(), entries);
  Units u(x.dtype);
  const Tensor from = u.enter(x);
  Tensor& y = u.out(c, 0, x.dims);
  const int64_t run = element_count(std::span<const int64_t>(x.dims).subspan(2)) * bit_width(from.dtype) / 8;
  const auto row = [&](int64_t t, int64_t b) { return (time == 0 ? t * entries + b : b * steps + t) * run; };
  for (int64_t b = 0; b < entries; ++b) {
    const int64_t n = lengths[static_cast<size_t>(b)];
    if (n < 0 || n > steps) fail("a sequence of {} in {} steps", n, steps);
    for (int64_t t = 0; t < steps && run > 0; ++t)
      std::memcpy(y.mutable_bytes().data() + row(t, b), from.bytes().data() + row(t < n ? n - 1 - t : t, b),
                  static_cast<size_t>(run));
  }
  u.finish(c, 0, y);
}

}  // namespace

void register_one_hot(OpRegistry& r) {
  r.add({"", "OneHot", infer_one_hot, eval_one_hot, Exactness::bitwise});
  r.add({"", "ReverseSequence", infer_reverse_sequence, eval_reverse_sequence, Exactness::bitwise});
}

}  // namespace lathe
