// Resize: every mode is a weighted sum of source places along one axis after the other.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "ir/base/parallel.h"
#include "ir/base/work_vector.h"
#include "ir/ops/complex_types.h"
#include "ir/ops/convert.h"
#include "ir/ops/nn/attention_inputs.h"
#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"
#include "ir/ops/tensor/strided.h"
#include "ir/ops/tensor/units.h"

namespace lathe {
namespace {

std::vector<int64_t> resized_axes(const Attrs& a, int64_t rank) {
  std::vector<int64_t> axes = a.ints("axes");
  if (!a.has("axes")) {
    axes.resize(static_cast<size_t>(rank));
    std::iota(axes.begin(), axes.end(), 0);
  }
  for (int64_t& x : axes) x = normalize_axis(x, rank);
  return axes;
}

// ---------------------------------------------------------------- inference

// floor(d * scale) where that has a formula.
Dim scaled(Dim d, float scale) {
  if (d.is_const()) {
    const float v = std::floor(static_cast<float>(d.value()) * scale);
    return v >= 0 && v < 0x1p62f ? Dim(static_cast<int64_t>(v)) : Dim::unknown();
  }
  if (scale == std::floor(scale) && scale > 0 && scale < 1e6f) return d * Dim(static_cast<int64_t>(scale));
  const float inverse = 1 / scale;
  if (scale > 0 && inverse == std::floor(inverse) && 1 / inverse == scale && inverse < 1e6f)
    return Dim::floor_div(d, Dim(static_cast<int64_t>(inverse)));
  return Dim::unknown();
}

void infer_resize(InferCtx& c) {
  const Shape* s = c.shape(0);
  if (s == nullptr) return c.out(0, c.dtype(0));
  const auto axes = resized_axes(c.attrs(), static_cast<int64_t>(s->size()));
  Shape out = *s;
  const auto sizes = c.has(3) ? c.value(3) : std::nullopt;
  const Tensor* scales = c.has(2) ? c.constant(2) : nullptr;
  const bool stretched = c.attrs().s("keep_aspect_ratio_policy", "stretch") == "stretch";
  for (size_t k = 0; k < axes.size(); ++k) {
    Dim& d = out[static_cast<size_t>(axes[k])];
    if (sizes && stretched && k < sizes->size())
      d = (*sizes)[k];
    else if (!c.has(3) && scales != nullptr && static_cast<int64_t>(k) < scales->count())
      d = scaled(d, static_cast<float>(scales->as_double(static_cast<int64_t>(k))));
    else
      d = Dim::unknown();
  }
  c.out(0, c.dtype(0), std::move(out));
}

// ---------------------------------------------------------------- one axis

struct Axis {
  int64_t in = 0, out = 0;
  float scale = 1;
  float roi_start = 0, roi_end = 1;
};

// Taps of every output place: source indices and weights, `width` of each.
struct Taps {
  int64_t width = 1;
  WorkVector<int64_t> index;
  WorkVector<double> weight;
  std::vector<bool> outside;  // tf_crop_and_resize: beyond the source
};

float source_place(const std::string& mode, const Axis& a, float x) {
  const auto in = static_cast<float>(a.in), out = static_cast<float>(a.out);
  if (mode == "half_pixel") return (x + 0.5f) / a.scale - 0.5f;
  if (mode == "pytorch_half_pixel") return a.out > 1 ? (x + 0.5f) / a.scale - 0.5f : -0.5f;
  if (mode == "align_corners") {  // the output's size before it is rounded down, as ONNX's cases have it
    const float exact = a.scale * in;
    return a.out == 1 || exact == 1 ? 0.0f : x * (in - 1) / (exact - 1);
  }
  if (mode == "asymmetric") return x / a.scale;
  if (mode == "half_pixel_symmetric") {
    const float adjustment = out / (a.scale * in), center = in / 2;
    return center * (1 - adjustment) + (x + 0.5f) / a.scale - 0.5f;
  }
  if (mode == "tf_crop_and_resize") {
    if (a.out == 1) return 0.5f * (a.roi_start + a.roi_end) * (in - 1);
    return a.roi_start * (in - 1) + x * (a.roi_end - a.roi_start) * (in - 1) / (out - 1);
  }
  fail("coordinate_transformation_mode {}", mode);
}

int64_t nearest_place(const std::string& mode, float x) {
  if (mode == "round_prefer_floor") return static_cast<int64_t>(std::ceil(x - 0.5f));
  if (mode == "round_prefer_ceil") return static_cast<int64_t>(std::floor(x + 0.5f));
  if (mode == "floor") return static_cast<int64_t>(std::floor(x));
  if (mode == "ceil") return static_cast<int64_t>(std::ceil(x));
  fail("nearest_mode {}", mode);
}

// Keys' cubic kernel.
double cubic(double x, double a) {
  x = std::abs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

Taps taps_of(const Attrs& attrs, const Axis& a) {
  const std::string mode = attrs.s("mode", "nearest"),
                    place = attrs.s("coordinate_transformation_mode", "half_pixel"),
                    nearest = attrs.s("nearest_mode", "round_prefer_floor");
  const bool exclude = attrs.i("exclude_outside", 0) != 0, crop = place == "tf_crop_and_resize";
  const auto coefficient = static_cast<double>(attrs.f("cubic_coeff_a", -0.75f));
  if (mode != "nearest" && mode != "linear" && mode != "cubic") fail("mode {}", mode);
  // With antialiasing a shrinking axis widens its kernel.
  const double shrink = attrs.i("antialias", 0) != 0 ? std::min(1.0, static_cast<double>(a.scale)) : 1.0;
  const double reach = mode == "cubic" ? 2 : 1;
  Taps t;
  const auto before = static_cast<int64_t>(std::ceil(reach / shrink)) - 1;
  if (mode != "nearest") {
    t.width = 2 + 2 * before;
    if (t.width > 2 * a.in + 8 * (before + 2) || t.width > (1 << 20)) fail("a kernel of {} places", t.width);
  }
  t.index.reserve(static_cast<size_t>(a.out * t.width));
  t.weight.reserve(static_cast<size_t>(a.out * t.width));
  for (int64_t i = 0; i < a.out; ++i) {
    const float x = source_place(place, a, static_cast<float>(i));
    if (!(std::abs(x) < 0x1p40f)) fail("a source place at {}", x);
    t.outside.push_back(crop && (x < 0 || x > static_cast<float>(a.in - 1)));
    const auto inside = [&](int64_t k) { return std::clamp<int64_t>(k, 0, a.in - 1); };
    if (mode == "nearest") {
      t.index.push_back(inside(nearest_place(nearest, x)));
      t.weight.push_back(1);
      continue;
    }
    const auto base = static_cast<int64_t>(std::floor(x));
    const double ratio = static_cast<double>(x) - static_cast<double>(base);
    double sum = 0;
    const size_t first = t.weight.size();
    for (int64_t k = -before; k < t.width - before; ++k) {
      const double distance = (static_cast<double>(k) - ratio) * shrink;
      double w = mode == "cubic" ? cubic(distance, coefficient) : std::max(0.0, 1 - std::abs(distance));
      if (exclude && (base + k < 0 || base + k >= a.in)) w = 0;
      t.index.push_back(inside(base + k));
      t.weight.push_back(w);
      sum += w;
    }
    if ((shrink < 1 || exclude) && sum != 0)
      for (size_t k = first; k < t.weight.size(); ++k) t.weight[k] /= sum;
  }
  return t;
}

template <class T>
Tensor apply(const Tensor& x, size_t axis, const Taps& t, int64_t out) {
  std::vector<int64_t> dims = x.dims;
  const std::span<const int64_t> all = x.dims;
  const int64_t outer = element_count(all.first(axis)), inner = element_count(all.subspan(axis + 1)),
                in = dims[axis];
  dims[axis] = out;
  Tensor y = Tensor::uninitialized(x.dtype, dims);
  const T* from = x.data<T>().data();
  T* to = y.mutable_data<T>().data();
  parallel_for(outer * out, std::max<int64_t>(1, (1 << 13) / std::max<int64_t>(inner * t.width, 1)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t r = begin; r < end; ++r) {
                   T* row = to + r * inner;
                   std::fill_n(row, inner, T{0});
                   const auto first = static_cast<size_t>(r % out * t.width);
                   for (size_t k = first; k < first + static_cast<size_t>(t.width); ++k) {
                     const auto w = static_cast<T>(t.weight[k]);
                     if (w == T{0}) continue;
                     const T* source = from + (r / out * in + t.index[k]) * inner;
                     for (int64_t i = 0; i < inner; ++i) row[i] += w * source[i];
                   }
                 }
               });
  return y;
}

// ---------------------------------------------------------------- kernel

std::vector<Axis> axes_of(EvalCtx& c, const std::vector<int64_t>& axes) {
  const Tensor& x = c.raw(0);
  std::vector<Axis> all;
  for (const int64_t d : x.dims) all.push_back({d, d});
  const Tensor *scales = c.maybe(2), *sizes = c.maybe(3), *roi = c.maybe(1);
  if (scales != nullptr && scales->count() == 0) scales = nullptr;
  if (sizes != nullptr && sizes->count() == 0) sizes = nullptr;
  if ((scales == nullptr) == (sizes == nullptr)) fail("either scales or sizes must be given");
  const auto n = static_cast<int64_t>(axes.size());
  if ((scales != nullptr ? scales : sizes)->count() != n) fail("scales or sizes do not fit {} axes", n);
  if (roi != nullptr && roi->count() != 0 && roi->count() != 2 * n) fail("roi does not fit {} axes", n);
  const std::string policy = c.attrs().s("keep_aspect_ratio_policy", "stretch");
  if (policy != "stretch" && policy != "not_larger" && policy != "not_smaller")
    fail("keep_aspect_ratio_policy {}", policy);

  float common = 0;
  if (sizes != nullptr && policy != "stretch") {
    for (int64_t k = 0; k < n; ++k) {
      const float f = static_cast<float>(sizes->as_i64(k)) /
                      static_cast<float>(x.dims[static_cast<size_t>(axes[static_cast<size_t>(k)])]);
      common = k == 0 ? f : policy == "not_larger" ? std::min(common, f) : std::max(common, f);
    }
  }
  for (int64_t k = 0; k < n; ++k) {
    Axis& a = all[static_cast<size_t>(axes[static_cast<size_t>(k)])];
    const auto in = static_cast<float>(a.in);
    if (scales != nullptr) {
      a.scale = static_cast<float>(scales->as_double(k));
      if (!(a.scale > 0)) fail("scale {}", a.scale);
      const float out = std::floor(in * a.scale);
      if (!(out < 0x1p40f)) fail("an axis of {}", out);
      a.out = static_cast<int64_t>(out);
    } else if (policy == "stretch") {
      a.out = sizes->as_i64(k);
      if (a.out < 0) fail("size {}", a.out);
      a.scale = a.in > 0 ? static_cast<float>(a.out) / in : 1;
    } else {
      if (!(common > 0 && common < 0x1p31f)) fail("a common scale of {}", common);
      a.out = static_cast<int64_t>(std::floor(in * common + 0.5f));
      a.scale = common;
    }
    if (a.in == 0 && a.out != 0) fail("nothing to resize to {}", a.out);
    if (roi != nullptr && roi->count() != 0) {
      a.roi_start = static_cast<float>(roi->as_double(k));
      a.roi_end = static_cast<float>(roi->as_double(k + n));
    }
  }
  return all;
}

void mark_outside(Tensor& y, const std::vector<Taps>& taps, double value) {
  for (size_t axis = 0; axis < taps.size(); ++axis) {
    const std::span<const int64_t> all = y.dims;
    const int64_t outer = element_count(all.first(axis)), inner = element_count(all.subspan(axis + 1)),
                  size = all[axis];
    for (int64_t i = 0; i < static_cast<int64_t>(taps[axis].outside.size()); ++i) {
      if (!taps[axis].outside[static_cast<size_t>(i)]) continue;
      for (int64_t o = 0; o < outer; ++o)
        for (int64_t k = 0; k < inner; ++k)
          store_double(y.dtype, y.mutable_bytes().data(), (o * size + i) * inner + k, value);
    }
  }
}

void eval_resize(EvalCtx& c) {
  const Tensor& x = c.in(0);
  const auto axes = resized_axes(c.attrs(), x.rank());
  const std::vector<Axis> plan = axes_of(c, axes);
  std::vector<int64_t> dims;
  for (const Axis& a : plan) dims.push_back(a.out);
  const bool crop = c.attrs().s("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize";
  const bool nearest = c.attrs().s("mode", "nearest") == "nearest";
  if (element_count(dims) == 0) {
    c.out(0, x.dtype, dims);
    return;
  }
  c.out(0, x.dtype, dims);  // checks the size against the limit before any work
  std::vector<Taps> taps(plan.size());
  std::vector<bool> used(plan.size());
  for (const int64_t k : axes) {
    const Axis& a = plan[static_cast<size_t>(k)];
    if (!crop && a.in == a.out && a.scale == 1) continue;
    used[static_cast<size_t>(k)] = true;
    taps[static_cast<size_t>(k)] = taps_of(c.attrs(), a);
  }
  if (std::find(used.begin(), used.end(), true) == used.end()) return c.set(0, share(x, x.dims));
  Tensor y;
  if (nearest) {  // picks elements of any type
    Units u(x.dtype);
    Tensor t = u.enter(x);
    for (size_t a = 0; a < plan.size(); ++a) {
      if (!used[a]) continue;
      std::vector<int64_t> next = t.dims;
      next[a] = plan[a].out;
      Tensor picked = Tensor::uninitialized(t.dtype, next);
      const std::span<const int64_t> all = next;
      const int64_t outer = element_count(all.first(a)),
                    inner = element_count(all.subspan(a + 1)) * bit_width(t.dtype) / 8;
      for (int64_t r = 0; r < outer * next[a]; ++r)
        std::memcpy(picked.mutable_bytes().data() + r * inner,
                    t.bytes().data() +
                        (r / next[a] * t.dims[a] + taps[a].index[static_cast<size_t>(r % next[a])]) * inner,
                    static_cast<size_t>(inner));
      t = std::move(picked);
    }
    y = u.leave(std::move(t));
    if (crop && x.dtype == DType::String) fail("cropping strings");
  } else {
    const auto filter = [&]<class T>() {
      for (size_t a = 0; a < plan.size(); ++a)
        if (used[a]) y = apply<T>(y, a, taps[a], plan[a].out);
    };
    y = x;
    if (!try_dispatch(Complex{}, x.dtype, filter)) {
      const DType t = x.dtype == DType::F64 ? DType::F64 : DType::F32;
      y = convert(x, t);
      with_float(t, filter);
      y = convert(y, x.dtype);
    }
  }
  if (crop) mark_outside(y, taps, static_cast<double>(c.attrs().f("extrapolation_value", 0)));
  c.set(0, std::move(y));
}

}  // namespace

void register_resize(OpRegistry& r) { r.add({"", "Resize", infer_resize, eval_resize}); }

}  // namespace lathe
