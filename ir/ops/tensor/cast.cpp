// Cast, CastLike, BitCast.
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>

#include "ir/base/parallel.h"
#include "ir/base/parse.h"
#include "ir/core/mini_float.h"
#include "ir/ops/convert.h"
#include "ir/ops/dispatch.h"
#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"

namespace lathe {
namespace {

bool is_wide(DType t) { return lists<NumbersAndBool>(t); }

// ---------------------------------------------------------------- strings

// Plain notation that reads back as the same number; the specials as the ONNX text of Cast spells them.
template <class C>
std::string number_text(C v) {
  if constexpr (std::is_floating_point_v<C>) {
    if (std::isnan(v)) return "NaN";
    if (std::isinf(v)) return v > 0 ? "INF" : "-INF";
  }
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, v);
  return {text, end.ptr};
}

Tensor to_strings(const Tensor& x) {
  std::vector<std::string> out(static_cast<size_t>(x.count()));
  if (!is_wide(x.dtype)) {
    for (size_t i = 0; i < out.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      out[i] =
          is_floating(x.dtype) ? number_text(static_cast<float>(x.as_double(at))) : number_text(x.as_i64(at));
    }
  } else if (x.dtype == DType::Bool) {
    for (size_t i = 0; i < out.size(); ++i) out[i] = std::string(1, x.data<uint8_t>()[i] != 0 ? '1' : '0');
  } else {
    dispatch<Numbers>(x.dtype, [&]<class T>() {
      const auto v = x.data<T>();
      for (size_t i = 0; i < out.size(); ++i) out[i] = number_text(static_cast<Compute<T>>(v[i]));
    });
  }
  return Tensor::of_strings(x.dims, std::move(out));
}

double parse_float(std::string_view s) {
  std::string upper;
  for (const char ch : s) upper.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(ch))));
  if (upper == "INF" || upper == "+INF") return std::numeric_limits<double>::infinity();
  if (upper == "-INF") return -std::numeric_limits<double>::infinity();
  if (upper == "NAN") return std::numeric_limits<double>::quiet_NaN();
  if (!s.empty() && s[0] == '+') s.remove_prefix(1);
  double v = 0;
  const auto end = std::from_chars(s.data(), s.data() + s.size(), v);
  if (end.ec == std::errc::result_out_of_range) return std::strtod(std::string(s).c_str(), nullptr);
  if (end.ec != std::errc{} || end.ptr != s.data() + s.size()) fail("'{}' is no number", s.substr(0, 40));
  return v;
}

// ---------------------------------------------------------------- narrow numbers

// A narrow tensor as float (its values are exact there) or int64.
Tensor widen(const Tensor& x) {
  const int64_t n = x.count();
  if (is_integer(x.dtype)) {
    Tensor out = Tensor::uninitialized(DType::I64, x.dims);
    const auto y = out.mutable_data<int64_t>();
    for (int64_t i = 0; i < n; ++i) y[static_cast<size_t>(i)] = x.as_i64(i);
    return out;
  }
  Tensor out = Tensor::uninitialized(DType::F32, x.dims);
  const auto y = out.mutable_data<float>();
  for (int64_t i = 0; i < n; ++i) y[static_cast<size_t>(i)] = static_cast<float>(x.as_double(i));
  return out;
}

Tensor narrow(const Tensor& x, DType to, bool saturate, char round) {
  Tensor out = Tensor::make(to, x.dims);
  std::byte* bytes = out.mutable_bytes().data();
  const int64_t n = x.count();
  if (is_integer(to)) {  // 4 and 2 bits: the low bits of the integer
    const Tensor v = convert(x, DType::I64);
    for (int64_t i = 0; i < n; ++i) store_i64(to, bytes, i, v.data<int64_t>()[static_cast<size_t>(i)]);
    return out;
  }
  const Tensor v = convert(x, DType::F32);
  const auto f = v.data<float>();
  const MiniFloat* format = bit_width(to) == 8 ? mini_float(to) : nullptr;  // the others always saturate
  for (int64_t i = 0; i < n; ++i) {
    const float value = f[static_cast<size_t>(i)];
    if (format != nullptr)
      bytes[i] = static_cast<std::byte>(encode_mini(*format, value, saturate));
    else if (to == DType::F8E8M0)
      bytes[i] = static_cast<std::byte>(encode_e8m0(value, saturate, round));
    else
      store_double(to, bytes, i, value);
  }
  return out;
}

Tensor from_strings(const Tensor& x, DType to, bool saturate, char round) {
  const auto& text = x.strings();
  if (is_integer(to) || to == DType::Bool) {
    Tensor out = Tensor::make(to, x.dims);
    for (size_t i = 0; i < text.size(); ++i) {
      std::string_view s = text[i];
      if (!s.empty() && s[0] == '+') s.remove_prefix(1);
      auto v = parse_number<int64_t>(s);
      if (const auto big = parse_number<uint64_t>(s); big && to == DType::U64) v = static_cast<int64_t>(*big);
      if (!v) v = static_cast<int64_t>(std::clamp(parse_float(text[i]), -0x1p62, 0x1p62));
      store_i64(to, out.mutable_bytes().data(), static_cast<int64_t>(i), *v);
    }
    return out;
  }
  Tensor wide = Tensor::uninitialized(DType::F64, x.dims);
  const auto v = wide.mutable_data<double>();
  for (size_t i = 0; i < text.size(); ++i) v[i] = parse_float(text[i]);
  return is_wide(to) ? convert(wide, to) : narrow(wide, to, saturate, round);
}

Tensor cast(const Tensor& x, DType to, bool saturate, char round) {
  if (x.dtype == to) return share(x, x.dims);
  if (x.dtype == DType::C64 || x.dtype == DType::C128 || to == DType::C64 || to == DType::C128)
    fail("no cast from {} to {}", onnx_name(x.dtype), onnx_name(to));
  if (to == DType::String) return to_strings(x);
  if (x.dtype == DType::String) return from_strings(x, to, saturate, round);
  const Tensor wide = is_wide(x.dtype) ? x : widen(x);
  return is_wide(to) ? convert(wide, to) : narrow(wide, to, saturate, round);
}

// ---------------------------------------------------------------- ops

DType target(const Attrs& attrs) {
  const int64_t to = attrs.i("to", 0);
  if (to < 1 || to >= kDTypeCount || !is_valid(static_cast<DType>(to)))
    fail("element type {} is not known", to);
  return static_cast<DType>(to);
}

char round_mode(const Attrs& attrs) {
  const std::string mode = attrs.s("round_mode", "up");
  if (mode != "up" && mode != "down" && mode != "nearest") fail("round_mode {}", mode);
  return mode[0];
}

void infer_as(InferCtx& c, DType to) {
  // Sizes stay below 2^31 in practice, and a narrower integer that wraps would not be used as one.
  const bool keeps_value = to == DType::I64 || to == DType::I32 || to == DType::U64 || to == DType::U32;
  const bool from_ints = is_integer(c.dtype(0)) || c.dtype(0) == DType::Bool;
  if (keeps_value && from_ints) pass_value(c, 0);
  if (const Tensor* t = c.constant(0); keeps_value && t != nullptr && is_floating(t->dtype) &&
                                       t->rank() <= 1 &&
                                       t->count() <= static_cast<int64_t>(kMaxShapeValues)) {
    Shape whole;
    for (int64_t i = 0; i < t->count(); ++i) {
      const double x = t->as_double(i);
      const double low = is_signed_integer(to) ? -0x1p31 : -1;
      whole.push_back(x > low && x < 0x1p31 ? Dim(static_cast<int64_t>(x)) : Dim::unknown());
    }
    c.out_value(0, std::move(whole));
  }
  const Shape* s = c.shape(0);
  c.out(0, to, s != nullptr ? std::optional(*s) : std::nullopt);
}

void infer_cast(InferCtx& c) { infer_as(c, target(c.attrs())); }

void eval_cast(EvalCtx& c) {
  c.set(0, cast(c.in(0), target(c.attrs()), c.attrs().i("saturate", 1) != 0, round_mode(c.attrs())));
}

void infer_cast_like(InferCtx& c) { infer_as(c, c.dtype(1)); }

void eval_cast_like(EvalCtx& c) {
  c.set(0, cast(c.in(0), c.raw(1).dtype, c.attrs().i("saturate", 1) != 0, round_mode(c.attrs())));
}

void infer_bit_cast(InferCtx& c) {
  const DType to = target(c.attrs());
  if (c.dtype(0) != DType::Undefined && bit_width(c.dtype(0)) != bit_width(to))
    c.contradiction(fmt::format("{} and {} differ in width", onnx_name(c.dtype(0)), onnx_name(to)));
  const Shape* s = c.shape(0);
  c.out(0, to, s != nullptr ? std::optional(*s) : std::nullopt);
}

void eval_bit_cast(EvalCtx& c) {
  const Tensor& x = c.raw(0);
  const DType to = target(c.attrs());
  if (bit_width(x.dtype) != bit_width(to) || bit_width(to) == 0)
    fail("{} and {} differ in width", onnx_name(x.dtype), onnx_name(to));
  c.set(0, Tensor::view(to, x.dims, x.bytes(), x.keep()));
}

}  // namespace

void register_cast(OpRegistry& r) {
  r.add({"", "BitCast", infer_bit_cast, eval_bit_cast, Exactness::bitwise});
  r.add({"", "Cast", infer_cast, eval_cast, Exactness::rounding, false, true});
  r.add({"", "CastLike", infer_cast_like, eval_cast_like, Exactness::rounding});
}

}  // namespace lathe
