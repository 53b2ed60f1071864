#include "tools/run/values.h"

#include <fmt/format.h>

#include <cmath>
#include <complex>

#include "ir/core/type.h"

namespace lathe::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Range {
  double low = INFINITY, high = -INFINITY, sum = 0;
  int64_t finite = 0, nan = 0, infinite = 0;
};

bool is_complex(DType t) { return t == DType::C64 || t == DType::C128; }

Range range_of(const Tensor& t) {
  Range r;
  const int64_t n = t.count();
  for (int64_t i = 0; i < n; ++i) {
    const double v = t.as_double(i);
    if (std::isnan(v)) {
      ++r.nan;
    } else if (std::isinf(v)) {
      ++r.infinite;
    } else {
      ++r.finite;
      r.low = std::min(r.low, v);
      r.high = std::max(r.high, v);
      r.sum += v;
    }
  }
  return r;
}

Json number(double v) {
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v > 0 ? "Infinity" : "-Infinity";
  return v;
}

Json element(const Tensor& t, int64_t i) {
  const auto at = static_cast<size_t>(i);
  switch (t.dtype) {
    case DType::String:
      return t.strings()[at];
    case DType::Bool:
      return t.as_i64(i) != 0;
    case DType::U64: {
      uint64_t v = 0;
      std::memcpy(&v, t.bytes().data() + at * sizeof v, sizeof v);
      return v;
    }
    case DType::C64: {
      float v[2];
      std::memcpy(v, t.bytes().data() + at * sizeof v, sizeof v);
      return {number(static_cast<double>(v[0])), number(static_cast<double>(v[1]))};
    }
    case DType::C128: {
      double v[2];
      std::memcpy(v, t.bytes().data() + at * sizeof v, sizeof v);
      return {number(v[0]), number(v[1])};
    }
    default:
      return is_floating(t.dtype) ? number(t.as_double(i)) : Json(t.as_i64(i));
  }
}

}  // namespace

std::string value_summary(const Datum& d) {
  const Tensor* t = d.tensor();
  if (t == nullptr)
    return d.sequence() != nullptr ? fmt::format("sequence of {}", d.sequence()->size()) : "nothing";
  std::string text = Type::tensor(t->dtype, Shape(t->dims.begin(), t->dims.end())).str();
  if (t->dtype == DType::String || is_complex(t->dtype)) return text;
  const Range r = range_of(*t);
  if (r.finite > 0)
    text +=
        fmt::format("  {:.6g} .. {:.6g}, mean {:.6g}", r.low, r.high, r.sum / static_cast<double>(r.finite));
  if (r.infinite > 0) text += fmt::format(", {} infinite", r.infinite);
  if (r.nan > 0) text += fmt::format(", {} NaN", r.nan);
  return text;
}

nlohmann::ordered_json value_summary_json(const Datum& d) {
  if (const Sequence* s = d.sequence()) return {{"sequence", s->size()}};
  const Tensor* t = d.tensor();
  if (t == nullptr) return nullptr;
  Json out = {{"type", onnx_name(t->dtype)}, {"shape", t->dims}};
  if (t->dtype == DType::String || is_complex(t->dtype)) return out;
  const Range r = range_of(*t);
  if (r.finite > 0) {
    out["min"] = r.low;
    out["max"] = r.high;
    out["mean"] = r.sum / static_cast<double>(r.finite);
  }
  out["nan"] = r.nan;
  out["infinite"] = r.infinite;
  return out;
}

nlohmann::ordered_json value_json(const Datum& d) {
  if (const Sequence* s = d.sequence()) {
    Json list = Json::array();
    for (const Datum& item : *s) list.push_back(value_json(item));
    return list;
  }
  const Tensor* t = d.tensor();
  if (t == nullptr) return nullptr;
  Json data = Json::array();
  const int64_t n = t->count();
  for (int64_t i = 0; i < n; ++i) data.push_back(element(*t, i));
  return {{"type", onnx_name(t->dtype)}, {"shape", t->dims}, {"data", std::move(data)}};
}

}  // namespace lathe::cli
