#include "ir/exec/compare.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <optional>
#include <span>

#include "ir/base/quote.h"

namespace lathe {
namespace {

std::string place(const Tensor& t, int64_t flat) {
  std::string s = "]";
  for (size_t i = t.dims.size(); i-- > 0;) {
    s = (i > 0 ? ", " : "[") + std::to_string(flat % t.dims[i]) + s;
    flat /= t.dims[i];
  }
  return t.dims.empty() ? "[]" : s;
}

std::string dims_text(const Tensor& t) {
  std::string s = "[";
  for (const int64_t d : t.dims) s += (s.size() > 1 ? ", " : "") + std::to_string(d);
  return s + "]";
}

Difference differ(std::string text) {
  Difference d;
  d.same = false;
  d.max_abs = INFINITY;
  d.text = std::move(text);
  return d;
}

// Element access without the per-element type switch for the common case.
template <class F>
void each(const Tensor& a, const Tensor& b, F&& f) {
  const int64_t n = a.count();
  if (a.dtype == DType::F32 && a.is_aligned() && b.is_aligned()) {
    const auto x = a.data<float>(), y = b.data<float>();
    for (int64_t i = 0; i < n; ++i)
      f(i, static_cast<double>(x[static_cast<size_t>(i)]), static_cast<double>(y[static_cast<size_t>(i)]));
    return;
  }
  for (int64_t i = 0; i < n; ++i) f(i, a.as_double(i), b.as_double(i));
}

// Largest magnitude and largest difference; nullopt where something is not finite.
struct Extremes {
  double scale = 0, apart = 0;
};
std::optional<Extremes> extremes(std::span<const float> x, std::span<const float> y) {
  constexpr float kMost = std::numeric_limits<float>::max();
  Extremes e;
  int odd = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const float a = std::fabs(x[i]), b = std::fabs(y[i]);
    const double apart = std::fabs(static_cast<double>(x[i]) - static_cast<double>(y[i]));
    odd |= static_cast<int>(!(a <= kMost)) | static_cast<int>(!(b <= kMost));
    e.scale = a > e.scale ? a : e.scale;
    e.apart = apart > e.apart ? apart : e.apart;
  }
  return odd != 0 ? std::nullopt : std::optional(e);
}

// Complex numbers as pairs of reals.
Tensor as_reals(const Tensor& t) {
  std::vector<int64_t> dims = t.dims;
  dims.push_back(2);
  return Tensor::view(t.dtype == DType::C64 ? DType::F32 : DType::F64, std::move(dims), t.bytes(), t.keep());
}

struct Allowed {
  double relative, absolute;
  bool each;  // relative to the element, not to the largest one
};

Difference compare_tensors(const Tensor& a, const Tensor& b, const Allowed& allowed) {
  if (a.dtype != b.dtype)
    return differ(fmt::format("types differ: {} against {}", onnx_name(a.dtype), onnx_name(b.dtype)));
  if (a.dims != b.dims)
    return differ(fmt::format("shapes differ: {} against {}", dims_text(a), dims_text(b)));
  if (a.dtype == DType::String) {
    const auto &x = a.strings(), &y = b.strings();
    for (size_t i = 0; i < x.size(); ++i)
      if (x[i] != y[i])
        return differ(fmt::format("strings differ at {} ({} against {})", place(a, static_cast<int64_t>(i)),
                                  quote(x[i]), quote(y[i])));
    return {};
  }
  if (a.dtype == DType::C64 || a.dtype == DType::C128)
    return compare_tensors(as_reals(a), as_reals(b), allowed);
  Difference d;
  if (!allowed.each && a.dtype == DType::F32 && a.is_aligned() && b.is_aligned()) {
    const auto e = extremes(a.data<float>(), b.data<float>());
    if (e && e->apart <= allowed.relative * e->scale + allowed.absolute) {
      d.scale = e->scale;
      d.max_abs = e->apart;
      return d;
    }
  }
  double worst = -1;
  bool apart = false;
  each(a, b, [&](int64_t i, double x, double y) {
    if (std::isfinite(x)) d.scale = std::max(d.scale, std::fabs(x));
    double diff;
    if (std::isnan(x) || std::isnan(y))
      diff = std::isnan(x) && std::isnan(y) ? 0 : INFINITY;
    else
      diff = x == y ? 0 : std::fabs(x - y);  // inf - inf
    if (allowed.each) {
      const double room = std::isfinite(x) ? allowed.absolute + allowed.relative * std::fabs(x) : 0;
      if (diff <= room) {
        d.max_abs = std::max(d.max_abs, diff);
        return;
      }
      apart = true;
    }
    if (diff > worst) {
      worst = diff;
      d.index = i;
    }
  });
  d.max_abs = std::max(worst, d.max_abs);
  d.same = allowed.each ? !apart : d.max_abs <= allowed.relative * d.scale + allowed.absolute;
  if (!d.same)
    d.text = fmt::format("values differ by {:.3g} at {} ({:.9g} against {:.9g})", worst, place(a, d.index),
                         a.as_double(d.index), b.as_double(d.index));
  return d;
}

Difference compare_datums(const Datum& a, const Datum& b, const Allowed& allowed) {
  if (a.empty() || b.empty()) return a.empty() && b.empty() ? Difference{} : differ("one side is empty");
  if (a.tensor() && b.tensor()) return compare_tensors(*a.tensor(), *b.tensor(), allowed);
  if (a.sequence() && b.sequence()) {
    if (a.sequence()->size() != b.sequence()->size())
      return differ(
          fmt::format("sequences have {} and {} elements", a.sequence()->size(), b.sequence()->size()));
    Difference worst;
    for (size_t i = 0; i < a.sequence()->size(); ++i) {
      Difference d = compare_datums((*a.sequence())[i], (*b.sequence())[i], allowed);
      if (!d.same) {
        d.text = fmt::format("element {}: {}", i, d.text);
        return d;
      }
      if (d.max_abs > worst.max_abs) worst = d;
    }
    return worst;
  }
  if (a.map() && b.map()) {
    if (!compare_tensors(a.map()->keys, b.map()->keys, {0, 0, false}).same) return differ("keys differ");
    return compare_tensors(a.map()->values, b.map()->values, allowed);
  }
  return differ("kinds differ");
}

}  // namespace

Difference compare(const Datum& a, const Datum& b, double relative, double absolute) {
  return compare_datums(a, b, {relative, absolute, false});
}

Difference compare_each(const Datum& expected, const Datum& got, double relative, double absolute) {
  return compare_datums(expected, got, {relative, absolute, true});
}

double rounding_tolerance(DType t) {
  switch (t) {
    case DType::F64:
      return 1e-12;
    case DType::F32:
      return 2e-5;
    case DType::F16:
      return 1e-2;
    case DType::BF16:
      return 6e-2;
    default:
      return is_floating(t) ? 0.25 : 0;
  }
}

}  // namespace lathe
