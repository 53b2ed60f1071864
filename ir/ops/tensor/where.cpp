// Where, Trilu, Compress, NonZero: choices by a condition.
#include <algorithm>
#include <cstring>

#include "ir/base/parallel.h"
#include "ir/base/work_vector.h"
#include "ir/ops/broadcast.h"
#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"
#include "ir/ops/tensor/strided.h"
#include "ir/ops/tensor/units.h"

namespace lathe {
namespace {

// ---------------------------------------------------------------- Where

void infer_where(InferCtx& c) {
  const Shape *cond = c.shape(0), *a = c.shape(1), *b = c.shape(2);
  const DType dtype = c.dtype(1) != DType::Undefined ? c.dtype(1) : c.dtype(2);
  if (cond == nullptr || a == nullptr || b == nullptr) return c.out(0, dtype);
  const Shape out = broadcast_shapes(c, broadcast_shapes(c, *cond, *a), *b);
  const auto vc = c.value(0), va = c.value(1), vb = c.value(2);
  if (vc && va && vb && out.size() <= 1 && (out.empty() || out[0].is_const())) {
    const size_t n = out.empty() ? 1 : static_cast<size_t>(out[0].value());
    const auto at = [](const Shape& v, size_t i) { return v.size() == 1 ? v[0] : v[i]; };
    const auto fits = [&](const Shape& v) { return v.size() == 1 || v.size() == n; };
    if (fits(*vc) && fits(*va) && fits(*vb)) {
      Shape contents;
      for (size_t i = 0; i < n; ++i) {
        const Dim k = at(*vc, i), x = at(*va, i), y = at(*vb, i);
        contents.push_back(x == y ? x : !k.is_const() ? Dim::unknown() : k.is_const(0) ? y : x);
      }
      c.out_value(0, std::move(contents));
    }
  }
  c.out(0, dtype, out);
}

void eval_where(EvalCtx& c) {
  const Tensor &cond = c.raw(0), &a = c.raw(1), &b = c.raw(2);
  if (cond.dtype != DType::Bool) fail("the condition is {}, not bool", onnx_name(cond.dtype));
  if (a.dtype != b.dtype) fail("branches of type {} and {}", onnx_name(a.dtype), onnx_name(b.dtype));
  const Dims dims = broadcast_dims(broadcast_dims(cond.dims, a.dims), b.dims);
  Units u(a.dtype);
  const Tensor ua = u.enter(a), ub = u.enter(b);
  Tensor& y = u.out(c, 0, dims);
  const StridedLoop<3> loop(dims, {broadcast_strides(cond.dims, dims), broadcast_strides(a.dims, dims),
                                   broadcast_strides(b.dims, dims)});
  with_unit(ua.dtype, [&]<class U>(U) {
    const auto* pc = reinterpret_cast<const uint8_t*>(cond.bytes().data());
    const U *pa = units<U>(ua), *pb = units<U>(ub);
    U* to = mutable_units<U>(y);
    const auto [sc, sa, sb] = loop.inner();
    parallel_for(loop.count(), kGrain, [&](int64_t begin, int64_t end) {
      loop.run(begin, end, [&, sc = sc, sa = sa, sb = sb](int64_t o, const auto& at, int64_t n) {
        const uint8_t* k = pc + at[0];
        const U *x = pa + at[1], *z = pb + at[2];
        for (int64_t i = 0; i < n; ++i) to[o + i] = k[i * sc] != 0 ? x[i * sa] : z[i * sb];
      });
    });
  });
  u.finish(c, 0, y);
}

// ---------------------------------------------------------------- Trilu

void infer_trilu(InferCtx& c) {
  const Shape* s = c.shape(0);
  if (s != nullptr && s->size() < 2) c.contradiction("input must have rank 2 at least");
  c.out(0, c.dtype(0), s != nullptr ? std::optional(*s) : std::nullopt);
}

void eval_trilu(EvalCtx& c) {
  const Tensor& x = c.raw(0);
  if (x.rank() < 2) fail("input of rank {}, not 2 at least", x.rank());
  const bool upper = c.attrs().i("upper", 1) != 0;
  const size_t rank = x.dims.size();
  const int64_t rows = x.dims[rank - 2], cols = x.dims[rank - 1];
  int64_t k = 0;
  if (const Tensor* t = c.maybe(1)) {
    if (t->count() != 1) fail("k has {} elements, not 1", t->count());
    k = std::clamp(t->as_i64(0), -rows - 1, cols + 1);
  }
  Units u(x.dtype);
  const Tensor from = u.enter(x);
  Tensor& y = u.out(c, 0, x.dims);
  const Tensor zeros = u.zeros({cols});
  const int64_t unit = bit_width(from.dtype) / 8, matrices = y.count() == 0 ? 0 : y.count() / (rows * cols);
  for (int64_t r = 0; r < matrices * rows; ++r) {
    // The kept part of row i: columns from i + k on, or up to i + k.
    const int64_t edge = std::clamp<int64_t>(r % rows + k + (upper ? 0 : 1), 0, cols);
    const int64_t first = upper ? edge : 0, last = upper ? cols : edge;
    std::byte* to = y.mutable_bytes().data() + r * cols * unit;
    std::memcpy(to, zeros.bytes().data(), zeros.byte_size());
    std::memcpy(to + first * unit, from.bytes().data() + (r * cols + first) * unit,
                static_cast<size_t>((last - first) * unit));
  }
  u.finish(c, 0, y);
}

// ---------------------------------------------------------------- Compress

void infer_compress(InferCtx& c) {
  const Shape* s = c.shape(0);
  if (!c.attrs().has("axis")) return c.out(0, c.dtype(0), unknown_shape(1));
  if (s == nullptr) return c.out(0, c.dtype(0));
  Shape out = *s;
  out[static_cast<size_t>(normalize_axis(c, c.attrs().i("axis", 0), static_cast<int64_t>(s->size())))] =
      Dim::unknown();
  c.out(0, c.dtype(0), std::move(out));
}

void eval_compress(EvalCtx& c) {
  const Tensor &data = c.raw(0), &cond = c.raw(1);
  if (cond.rank() != 1 || cond.dtype != DType::Bool) fail("the condition must be a vector of bool");
  const bool flat = !c.attrs().has("axis");
  const Tensor x = flat ? data.reshaped({data.count()}) : data;
  const auto axis = static_cast<size_t>(normalize_axis(c.attrs().i("axis", 0), x.rank()));
  if (cond.dims[0] > x.dims[axis]) fail("{} conditions for size {}", cond.dims[0], x.dims[axis]);
  std::vector<int64_t> keep;
  for (int64_t i = 0; i < cond.dims[0]; ++i)
    if (cond.data<uint8_t>()[static_cast<size_t>(i)] != 0) keep.push_back(i);
  Units u(x.dtype);
  const Tensor from = u.enter(x);
  std::vector<int64_t> dims = x.dims;
  dims[axis] = static_cast<int64_t>(keep.size());
  Tensor& y = u.out(c, 0, dims);
  const auto strides = row_major(x.dims), to = row_major(dims);
  std::vector<int64_t> box = x.dims;
  box[axis] = 1;
  for (size_t k = 0; k < keep.size(); ++k)
    copy_strided(from.dtype, y.mutable_bytes().data(), from.bytes().data(),
                 {box, to, strides, static_cast<int64_t>(k) * to[axis], keep[k] * strides[axis]});
  u.finish(c, 0, y);
}

// ---------------------------------------------------------------- NonZero

void infer_non_zero(InferCtx& c) {
  const int rank = c.rank(0);
  c.out(0, DType::I64, Shape{rank >= 0 ? Dim(rank) : Dim::unknown(), Dim::unknown()});
}

void eval_non_zero(EvalCtx& c) {
  const Tensor& x = c.raw(0);
  WorkVector<int64_t> hits;
  const int64_t n = x.count();
  if (x.dtype == DType::String) {
    for (int64_t i = 0; i < n; ++i)
      if (!x.strings()[static_cast<size_t>(i)].empty()) hits.push_back(i);
  } else if (is_floating(x.dtype)) {  // -0 is zero, NaN is not
    for (int64_t i = 0; i < n; ++i)
      if (x.as_double(i) != 0) hits.push_back(i);
  } else {
    Units u(x.dtype);
    const Tensor from = u.enter(x);
    const int64_t unit = bit_width(from.dtype) / 8;
    const std::byte* p = from.bytes().data();
    for (int64_t i = 0; i < n; ++i)
      if (std::any_of(p + i * unit, p + (i + 1) * unit, [](std::byte b) { return b != std::byte{0}; }))
        hits.push_back(i);
  }
  const auto rank = static_cast<int64_t>(x.dims.size()), count = static_cast<int64_t>(hits.size());
  const auto y = c.out(0, DType::I64, {rank, count}).mutable_data<int64_t>();
  for (int64_t k = 0; k < count; ++k) {
    int64_t left = hits[static_cast<size_t>(k)];
    for (int64_t d = rank - 1; d >= 0; --d) {
      const int64_t size = x.dims[static_cast<size_t>(d)];
      y[static_cast<size_t>(d * count + k)] = left % size;
      left /= size;
    }
  }
}

}  // namespace

void register_where(OpRegistry& r) {
  r.add({"", "Compress", infer_compress, eval_compress, Exactness::bitwise});
  r.add({"", "NonZero", infer_non_zero, eval_non_zero, Exactness::bitwise});
  for (const char* domain : {"", "com.microsoft"})
    r.add({domain, "Trilu", infer_trilu, eval_trilu, Exactness::bitwise});
  r.add({"", "Where", infer_where, eval_where, Exactness::bitwise, false, true});
}

}  // namespace lathe
