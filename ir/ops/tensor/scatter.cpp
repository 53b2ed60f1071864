// ScatterElements, ScatterND (with reductions), TensorScatter.
#include <algorithm>
#include <cstring>

#include "ir/base/work_vector.h"
#include "ir/ops/complex_types.h"
#include "ir/ops/dispatch.h"
#include "ir/ops/int_math.h"
#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"
#include "ir/ops/tensor/index_tuples.h"
#include "ir/ops/tensor/strided.h"
#include "ir/ops/tensor/units.h"

namespace lathe {
namespace {

enum class Reduction { none, add, mul, min, max };

Reduction reduction_of(const Attrs& attrs) {
  const std::string s = attrs.s("reduction", "none");
  if (s == "none") return Reduction::none;
  if (s == "add") return Reduction::add;
  if (s == "mul") return Reduction::mul;
  if (s == "min") return Reduction::min;
  if (s == "max") return Reduction::max;
  fail("reduction {}", s);
}

using Reducible = Concat<NumbersAndBool, Complex>;

// Logical or and and; false is less than true.
BoolByte reduce(Reduction how, BoolByte a, BoolByte b) {
  const bool any = how == Reduction::add || how == Reduction::max;
  return {static_cast<uint8_t>(any ? a.byte != 0 || b.byte != 0 : a.byte != 0 && b.byte != 0)};
}

// As numpy, complex numbers are ordered by their real parts, then by their imaginary ones.
template <class F>
std::complex<F> reduce(Reduction how, std::complex<F> a, std::complex<F> b) {
  if (how == Reduction::add) return a + b;
  if (how == Reduction::mul) return a * b;
  const auto is_nan = [](std::complex<F> v) { return v != v; };
  if (is_nan(a) || is_nan(b)) return is_nan(a) ? a : b;
  const bool less = a.real() < b.real() || (a.real() == b.real() && a.imag() < b.imag());
  return less == (how == Reduction::min) ? a : b;
}

template <class T>
T reduce(Reduction how, T a, T b) {
  const auto x = static_cast<Compute<T>>(a), y = static_cast<Compute<T>>(b);
  switch (how) {
    case Reduction::add:
      return static_cast<T>(wrap_add(x, y));
    case Reduction::mul:
      return static_cast<T>(wrap_mul(x, y));
    case Reduction::min:
      return y < x || y != y ? b : a;  // NaN stays
    case Reduction::max:
      return y > x || y != y ? b : a;
    case Reduction::none:
      break;
  }
  return b;
}

Tensor owned_copy(EvalCtx& c, const Units& u, const Tensor& x) {
  Tensor& y = u.out(c, 0, x.dims);
  if (y.byte_size() > 0) std::memcpy(y.mutable_bytes().data(), x.bytes().data(), x.byte_size());
  return y;
}

// ---------------------------------------------------------------- ScatterElements

void infer_same_as_first(InferCtx& c) {
  const Shape* s = c.shape(0);
  c.out(0, c.dtype(0), s != nullptr ? std::optional(*s) : std::nullopt);
}

void eval_scatter_elements(EvalCtx& c) {
  const Tensor& data = c.raw(0);
  const Tensor& indices = c.raw(1);
  const Tensor& updates = c.in(2);
  if (indices.rank() != data.rank() || updates.dims != indices.dims)
    fail("data, indices and updates have ranks {}, {} and {} or other shapes", data.rank(), indices.rank(),
         updates.rank());
  if (data.rank() == 0) fail("data must have rank 1 at least");
  if (updates.dtype != data.dtype)
    fail("updates are {}, data is {}", onnx_name(updates.dtype), onnx_name(data.dtype));
  const auto axis = static_cast<size_t>(normalize_axis(c.attrs().i("axis", 0), data.rank()));
  for (size_t k = 0; k < data.dims.size(); ++k)
    if (k != axis && indices.dims[k] > data.dims[k])
      fail("axis {} of the indices has size {}, data has {}", k, indices.dims[k], data.dims[k]);
  const WorkVector<int64_t> index = read_indices(indices);
  auto strides = row_major(data.dims);
  const int64_t step = strides[axis], size = data.dims[axis];
  strides[axis] = 0;
  const auto place = [&](int64_t k, int64_t offset) {
    return offset + checked_index(index[static_cast<size_t>(k)], size) * step;
  };

  const Reduction how = reduction_of(c.attrs());
  Units u(data.dtype);
  Tensor y = owned_copy(c, u, u.enter(data));
  if (how == Reduction::none) {
    const Tensor from = u.enter(updates);
    with_unit(from.dtype, [&]<class U>(U) {
      const U* values = units<U>(from);
      U* to = mutable_units<U>(y);
      for_each_offset(indices.dims, strides,
                      [&](int64_t k, int64_t offset) { to[place(k, offset)] = values[k]; });
    });
    return u.finish(c, 0, y);
  }
  dispatch<Reducible>(data.dtype, [&]<class T>() {
    const auto values = updates.data<T>();
    const auto to = y.mutable_data<T>();
    for_each_offset(indices.dims, strides, [&](int64_t k, int64_t offset) {
      T& cell = to[static_cast<size_t>(place(k, offset))];
      cell = reduce(how, cell, values[static_cast<size_t>(k)]);
    });
  });
}

// ---------------------------------------------------------------- ScatterND

void eval_scatter_nd(EvalCtx& c) {
  const Tensor& data = c.raw(0);
  const Tensor& indices = c.raw(1);
  const Tensor& updates = c.in(2);
  if (updates.dtype != data.dtype)
    fail("updates are {}, data is {}", onnx_name(updates.dtype), onnx_name(data.dtype));
  const IndexTuples tuples(data, indices, 0);
  std::vector<int64_t> want(indices.dims.begin(), indices.dims.end() - 1);
  want.insert(want.end(), data.dims.begin() + tuples.depth, data.dims.end());
  if (updates.dims != want) fail("updates of rank {} do not fit the indices", updates.rank());

  const Reduction how = reduction_of(c.attrs());
  const int64_t inner = tuples.inner;
  Units u(data.dtype);
  Tensor y = owned_copy(c, u, u.enter(data));
  if (how == Reduction::none) {
    const Tensor from = u.enter(updates);
    const int64_t unit = bit_width(from.dtype) / 8, run = inner * unit;
    if (run > 0)
      for (size_t k = 0; k < tuples.offsets.size(); ++k)
        std::memcpy(y.mutable_bytes().data() + tuples.offsets[k] * unit,
                    from.bytes().data() + static_cast<int64_t>(k) * run, static_cast<size_t>(run));
    return u.finish(c, 0, y);
  }
  dispatch<Reducible>(data.dtype, [&]<class T>() {
    const auto values = updates.data<T>();
    const auto to = y.mutable_data<T>();
    size_t at = 0;
    for (const int64_t offset : tuples.offsets) {
      for (int64_t i = 0; i < inner; ++i, ++at) {
        T& cell = to[static_cast<size_t>(offset + i)];
        cell = reduce(how, cell, values[at]);
      }
    }
  });
}

// ---------------------------------------------------------------- TensorScatter

void eval_tensor_scatter(EvalCtx& c) {
  const Tensor& past = c.raw(0);
  const Tensor& update = c.raw(1);
  const auto axis = static_cast<size_t>(normalize_axis(c.attrs().i("axis", -2), past.rank()));
  if (axis == 0) fail("axis 0 is the batch");
  if (update.rank() != past.rank()) fail("ranks {} and {} differ", past.rank(), update.rank());
  for (size_t k = 0; k < past.dims.size(); ++k)
    if (k == axis ? update.dims[k] > past.dims[k] : update.dims[k] != past.dims[k])
      fail("axis {} has sizes {} and {}", k, past.dims[k], update.dims[k]);
  const std::string mode = c.attrs().s("mode", "linear");
  if (mode != "linear" && mode != "circular") fail("mode {}", mode);
  std::vector<int64_t> start(static_cast<size_t>(past.dims[0]), 0);
  if (const Tensor* given = c.maybe(2)) start = read_ints(*given);
  if (static_cast<int64_t>(start.size()) != past.dims[0])
    fail("{} write indices for a batch of {}", start.size(), past.dims[0]);

  Units u(past.dtype);
  const Tensor from = u.enter(update);
  Tensor y = owned_copy(c, u, u.enter(past));
  const std::span<const int64_t> dims = past.dims;
  const int64_t middle = element_count(dims.subspan(1, axis - 1)),
                inner = element_count(dims.subspan(axis + 1));
  const int64_t room = dims[axis], length = update.dims[axis], run = inner * bit_width(from.dtype) / 8;
  if (run > 0) {
    for (int64_t b = 0; b < dims[0]; ++b) {
      const int64_t first = start[static_cast<size_t>(b)];
      if (first < 0 || (mode == "linear" && first > room - length))
        fail("write index {} with {} new of {}", first, length, room);
      for (int64_t m = b * middle; m < (b + 1) * middle; ++m)
        for (int64_t s = 0; s < length; ++s)
          std::memcpy(y.mutable_bytes().data() + (m * room + (first % room + s) % room) * run,
                      from.bytes().data() + (m * length + s) * run, static_cast<size_t>(run));
    }
  }
  u.finish(c, 0, y);
}

}  // namespace

void register_scatter(OpRegistry& r) {
  r.add({"", "ScatterElements", infer_same_as_first, eval_scatter_elements, Exactness::rounding});
  r.add({"", "ScatterND", infer_same_as_first, eval_scatter_nd, Exactness::rounding});
  r.add({"", "TensorScatter", infer_same_as_first, eval_tensor_scatter, Exactness::bitwise});
}

}  // namespace lathe
