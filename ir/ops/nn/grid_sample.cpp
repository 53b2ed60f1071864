// GridSample over any number of spatial dims: nearest, linear and cubic (Keys 1981, a = -0.75) are separable,
// so a sampling point is a few taps a dim.
#include <algorithm>
#include <cmath>

#include "ir/base/work_vector.h"
#include "ir/ops/complex_types.h"
#include "ir/ops/convert.h"
#include "ir/ops/elementwise.h"
#include "ir/ops/int_math.h"
#include "ir/ops/op_def.h"
#include "ir/ops/tensor/units.h"

namespace lathe {
namespace {

enum class Mode : uint8_t { nearest, linear, cubic };
enum class Padding : uint8_t { zeros, border, reflection };

constexpr size_t kMaxDims = 8;

struct Taps {
  int count = 0;
  int64_t at[4];  // -1: padding, which is 0
  double weight[4];
};

struct Sampler {
  Mode mode;
  Padding padding;
  bool align;
  bool narrow;  // coordinates are rounded to float, as its grid

  double reflect(double x, double size) const {
    const double low = align ? 0 : -0.5, high = align ? size - 1 : size - 0.5, range = high - low;
    if (!(range > 0)) return low;
    if (x >= low && x <= high) return x;
    const double beyond = x < low ? low - x : x - high, turns = std::floor(beyond / range),
                 rest = beyond - turns * range;
    const bool from_low = (x < low) == (std::fmod(turns, 2) == 0);
    return from_low ? low + rest : high - rest;
  }

  int64_t pixel(double i, int64_t size) const {
    const auto n = static_cast<double>(size);
    if (padding == Padding::zeros) return i >= 0 && i < n ? static_cast<int64_t>(i) : -1;
    if (padding == Padding::reflection) i = reflect(i, n);
    return static_cast<int64_t>(std::clamp(i, 0.0, n - 1));
  }

  // Where the normalized coordinate meets a dim of this size.
  Taps taps(double coordinate, int64_t size) const {
    const auto n = static_cast<double>(size);
    double x = align ? (coordinate + 1) / 2 * (n - 1) : ((coordinate + 1) * n - 1) / 2;
    if (narrow) x = static_cast<double>(static_cast<float>(x));
    if (mode == Mode::nearest) x = std::nearbyint(x);
    const double low = align ? 0 : -0.5, high = align ? n - 1 : n - 0.5;
    if (padding == Padding::border && !(x >= low && x <= high)) x = std::clamp(x, 0.0, n - 1);
    if (padding == Padding::reflection && std::isfinite(x)) x = reflect(x, n);
    Taps t;
    if (!std::isfinite(x)) {  // NaN, or infinitely far away
      t.count = 1;
      t.at[0] = padding == Padding::zeros ? -1 : 0;
      t.weight[0] = 1;
      return t;
    }
    if (mode == Mode::nearest) {
      t.count = 1;
      t.at[0] = pixel(x, size);
      t.weight[0] = 1;
      return t;
    }
    const double base = std::floor(x), f = x - base;
    t.count = mode == Mode::linear ? 2 : 4;
    for (int k = 0; k < t.count; ++k) t.at[k] = pixel(base + k - (mode == Mode::cubic ? 1 : 0), size);
    if (mode == Mode::linear) {
      t.weight[0] = 1 - f;
      t.weight[1] = f;
    } else {
      constexpr double a = -0.75;
      const auto inner = [](double d) { return ((a + 2) * d - (a + 3)) * d * d + 1; };
      const auto outer = [](double d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
      const double w[4] = {outer(f + 1), inner(f), inner(1 - f), outer(2 - f)};
      std::copy_n(w, 4, t.weight);
    }
    return t;
  }
};

Sampler sampler_of(const Attrs& a) {
  const std::string mode = a.s("mode", "linear"), padding = a.s("padding_mode", "zeros");
  Sampler s{};
  s.align = a.i("align_corners", 0) != 0;
  if (mode == "nearest")
    s.mode = Mode::nearest;
  else if (mode == "linear" || mode == "bilinear")
    s.mode = Mode::linear;
  else if (mode == "cubic" || mode == "bicubic")
    s.mode = Mode::cubic;
  else
    fail("mode '{}' is not known", mode);
  if (padding != "zeros" && padding != "border" && padding != "reflection")
    fail("padding_mode '{}' is not known", padding);
  s.padding = padding == "zeros"    ? Padding::zeros
              : padding == "border" ? Padding::border
                                    : Padding::reflection;
  return s;
}

// Calls f(offset, weight) for every tap of a point that is no padding.
template <class F>
void for_each_corner(const WorkVector<Taps>& taps, const Dims& strides, F&& f) {
  int index[kMaxDims] = {};
  for (;;) {
    int64_t offset = 0;
    double weight = 1;
    bool inside = true;
    for (size_t d = 0; d < taps.size(); ++d) {
      const int k = index[d];
      inside = inside && taps[d].at[k] >= 0;
      offset += taps[d].at[k] * strides[d];
      weight *= taps[d].weight[k];
    }
    if (inside) f(offset, weight);
    size_t d = taps.size();
    while (d-- > 0) {
      if (++index[d] < taps[d].count) break;
      index[d] = 0;
    }
    if (d == static_cast<size_t>(-1)) return;
  }
}

// Calls body(batch, point, taps) for every point of the grid.
template <class F>
void for_each_point(const Tensor& grid, const Sampler& sampler, const Dims& sizes, F&& body) {
  const size_t n = sizes.size();
  const int64_t points = grid.count() / static_cast<int64_t>(n), per_batch = points / grid.dims[0];
  const double* g = grid.data<double>().data();
  parallel_for(points, 1 << 10, [&](int64_t begin, int64_t end) {
    WorkVector<Taps> taps(n);
    for (int64_t p = begin; p < end; ++p) {
      for (size_t d = 0; d < n; ++d)  // the grid's last axis is (x, y, ...): the innermost dim first
        taps[d] = sampler.taps(g[p * static_cast<int64_t>(n) + static_cast<int64_t>(n - 1 - d)], sizes[d]);
      body(p / per_batch, p % per_batch, taps);
    }
  });
}

void eval_grid_sample(EvalCtx& c) {
  const Tensor& x = c.in(0);
  const Tensor& given = c.in(1);
  if (x.rank() < 3 || given.rank() != x.rank()) fail("x and grid must have the same rank, 3 or more");
  const Dims sizes(x.dims.begin() + 2, x.dims.end());
  if (sizes.size() > kMaxDims) fail("more than {} spatial dims", kMaxDims);
  if (given.dims[0] != x.dims[0]) fail("batch {} of x, {} of grid", x.dims[0], given.dims[0]);
  if (given.dims.back() != static_cast<int64_t>(sizes.size()))
    fail("grid has {} coordinates a point, {} are needed", given.dims.back(), sizes.size());
  if (!is_floating(given.dtype)) fail("the grid's element type {} is no float", onnx_name(given.dtype));
  Sampler sampler = sampler_of(c.attrs());
  sampler.narrow = given.dtype != DType::F64;
  Dims dims{x.dims[0], x.dims[1]};
  dims.insert(dims.end(), given.dims.begin() + 1, given.dims.end() - 1);
  const int64_t channels = x.dims[1], area = element_count(sizes);
  const Tensor grid = convert(given, DType::F64);
  const Dims strides = row_major_strides(sizes);
  if (sampler.mode == Mode::nearest) {
    Units u(x.dtype);
    const Tensor from = u.enter(x);
    Tensor y = u.zeros(dims);
    if (y.count() > 0 && area == 0) fail("x has no pixels");
    const int64_t per_batch = y.count() == 0 ? 0 : y.count() / (dims[0] * channels);
    if (y.count() > 0)
      with_unit(from.dtype, [&]<class U>(U) {
        const U* in = units<U>(from);
        U* out = mutable_units<U>(y);
        for_each_point(grid, sampler, sizes, [&](int64_t b, int64_t p, const WorkVector<Taps>& taps) {
          for_each_corner(taps, strides, [&](int64_t offset, double) {
            for (int64_t k = b * channels; k < (b + 1) * channels; ++k)
              out[k * per_batch + p] = in[k * area + offset];
          });
        });
      });
    c.set(0, x.dtype == from.dtype ? std::move(y) : u.leave(std::move(y)));
    return;
  }
  Tensor& y = c.out(0, x.dtype, dims);
  if (y.count() == 0) return;
  if (area == 0) fail("x has no pixels");
  const int64_t per_batch = y.count() / (dims[0] * channels);
  dispatch<Concat<NumbersAndBool, Complex>>(x.dtype, [&]<class T>() {
    using Sum = std::conditional_t<is_complex<T>, std::complex<double>, double>;
    const T* in = x.data<T>().data();
    T* out = y.mutable_data<T>().data();
    for_each_point(grid, sampler, sizes, [&](int64_t b, int64_t p, const WorkVector<Taps>& taps) {
      for (int64_t k = b * channels; k < (b + 1) * channels; ++k) {
        Sum sum = 0;
        for_each_corner(taps, strides, [&](int64_t offset, double weight) {
          sum += weight * static_cast<Sum>(load_element(in[k * area + offset]));
        });
        if constexpr (std::is_integral_v<T>)
          out[k * per_batch + p] = to_int<T>(sum);
        else if constexpr (std::is_same_v<T, BoolByte>)
          out[k * per_batch + p] = store_element<BoolByte>(sum != 0);
        else
          out[k * per_batch + p] = static_cast<T>(static_cast<Compute<T>>(sum));
      }
    });
  });
}

void infer_grid_sample(InferCtx& c) {
  const Shape *x = c.shape(0), *grid = c.shape(1);
  if (grid == nullptr) return c.out(0, c.dtype(0));
  if (grid->size() < 3 || (x != nullptr && x->size() != grid->size()))
    c.contradiction("x and grid must have the same rank, 3 or more");
  Shape out{(*grid)[0], x != nullptr ? (*x)[1] : Dim::unknown()};
  out.insert(out.end(), grid->begin() + 1, grid->end() - 1);
  c.out(0, c.dtype(0), std::move(out));
}

}  // namespace

void register_grid_sample(OpRegistry& r) { r.add({"", "GridSample", infer_grid_sample, eval_grid_sample}); }

}  // namespace lathe
