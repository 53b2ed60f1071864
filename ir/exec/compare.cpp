#include "ir/exec/compare.h"

#include <fmt/format.h>

#include <cmath>

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

Difference compare_tensors(const Tensor& a, const Tensor& b, double relative, double absolute) {
  if (a.dtype != b.dtype)
    return differ(fmt::format("types differ: {} against {}", onnx_name(a.dtype), onnx_name(b.dtype)));
  if (a.dims != b.dims)
    return differ(fmt::format("shapes differ: {} against {}", dims_text(a), dims_text(b)));
  if (a.dtype == DType::String) return a.strings() == b.strings() ? Difference{} : differ("strings differ");
  if (a.dtype == DType::C64 || a.dtype == DType::C128)
    return same_content(a, b) ? Difference{} : differ("complex values differ");
  Difference d;
  double worst = -1;
  each(a, b, [&](int64_t i, double x, double y) {
    if (std::isfinite(x)) d.scale = std::max(d.scale, std::fabs(x));
    double diff;
    if (std::isnan(x) || std::isnan(y))
      diff = std::isnan(x) && std::isnan(y) ? 0 : INFINITY;
    else
      diff = x == y ? 0 : std::fabs(x - y);  // inf - inf
    if (diff > worst) {
      worst = diff;
      d.index = i;
    }
  });
  d.max_abs = std::max(worst, 0.0);
  d.same = d.max_abs <= relative * d.scale + absolute;
  if (!d.same)
    d.text = fmt::format("values differ by {:.3g} at {} ({:.9g} against {:.9g})", d.max_abs,
                         place(a, d.index), a.as_double(d.index), b.as_double(d.index));
  return d;
}

}  // namespace

Difference compare(const Datum& a, const Datum& b, double relative, double absolute) {
  if (a.empty() || b.empty()) return a.empty() && b.empty() ? Difference{} : differ("one side is empty");
  if (a.tensor() && b.tensor()) return compare_tensors(*a.tensor(), *b.tensor(), relative, absolute);
  if (a.sequence() && b.sequence()) {
    if (a.sequence()->size() != b.sequence()->size())
      return differ(
          fmt::format("sequences have {} and {} elements", a.sequence()->size(), b.sequence()->size()));
    Difference worst;
    for (size_t i = 0; i < a.sequence()->size(); ++i) {
      Difference d = compare((*a.sequence())[i], (*b.sequence())[i], relative, absolute);
      if (!d.same) {
        d.text = fmt::format("element {}: {}", i, d.text);
        return d;
      }
      if (d.max_abs > worst.max_abs) worst = d;
    }
    return worst;
  }
  if (a.map() && b.map()) {
    if (!compare_tensors(a.map()->keys, b.map()->keys, 0, 0).same) return differ("keys differ");
    return compare_tensors(a.map()->values, b.map()->values, relative, absolute);
  }
  return differ("kinds differ");
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
