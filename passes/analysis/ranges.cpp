#include "passes/analysis/ranges.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <string_view>

#include "ir/exec/seed_inputs.h"
#include "passes/analysis/product_ranges.h"

namespace lathe {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr int64_t kMaxScanned = 1 << 16;  // elements of a constant that are looked at

bool one_of(std::string_view t, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), t) != list.end();
}

// 0 * inf is 0 here: an element that is 0 stays 0.
double times(double a, double b) { return a == 0 || b == 0 ? 0 : a * b; }

// Some elements are left out: the largest may be among them.
Range part(Range r) {
  if (r.top && !r.top->is_const()) r.top.reset();
  return r;
}

// Rounding to the element type may lead beyond a bound, unless the type has the bound itself.
double outward(double x, double direction, DType t) {
  const double exact = t == DType::F32 || t == DType::F64 ? 0x1p24 : 256;
  if (std::trunc(x) == x && std::abs(x) <= exact) return x;
  const double rounding = t == DType::F16 ? 0x1p-10 : t == DType::BF16 ? 0x1p-7 : 1e-6;
  return std::isfinite(x) ? x + direction * std::abs(x) * rounding : x;
}

Range hull(const Range& a, const Range& b) {
  Range r{std::min(a.low, b.low), std::max(a.high, b.high), std::nullopt};
  if (a.top && b.top) {
    if (Dim::provably_ge(*a.top, *b.top)) r.top = a.top;
    if (Dim::provably_ge(*b.top, *a.top)) r.top = b.top;
  }
  return r;
}

Range add(const Range& a, const Range& b) {
  Range r{a.low + b.low, a.high + b.high, std::nullopt};
  if (a.top && b.top) r.top = *a.top + *b.top;
  return r;
}

Range negate(const Range& a) { return {-a.high, -a.low, std::nullopt}; }

Range multiply(const Range& a, const Range& b) {
  const double p[] = {times(a.low, b.low), times(a.low, b.high), times(a.high, b.low), times(a.high, b.high)};
  Range r{*std::min_element(p, p + 4), *std::max_element(p, p + 4), std::nullopt};
  if (a.low >= 0 && b.low >= 0) {  // times 0 or 1, or times a number
    if (a.top && b.high <= 1) r.top = a.top;
    if (b.top && a.high <= 1) r.top = b.top;
    if (a.top && b.top && !r.top) r.top = *a.top * *b.top;
  }
  return r;
}

Range divide(const Range& a, const Range& b) {
  if (b.low <= 0 && b.high >= 0) return {};
  return multiply(a, {std::min(1 / b.low, 1 / b.high), std::max(1 / b.low, 1 / b.high), std::nullopt});
}

Range map(const Range& a, double (*f)(double)) { return {f(a.low), f(a.high), std::nullopt}; }

// What the element type can hold; floats: anything.
Range of_type(DType t) {
  if (t == DType::Bool) return {0, 1, Dim(1)};
  const int bits = bit_width(t);
  if (!is_integer(t) || bits > 16) return {};
  return is_signed_integer(t) ? Range{-std::ldexp(1, bits - 1), std::ldexp(1, bits - 1) - 1, std::nullopt}
                              : Range{0, std::ldexp(1, bits) - 1, std::nullopt};
}

class Analysis {
 public:
  Analysis(const Model& m, const ShapeValues& values, bool weights)
      : m_(m), values_(values), weights_(weights) {}

  Ranges run() {
    for (const ValueId v : m_.inputs(m_.main())) input(v);
    for (NodeId n = m_[m_.main()].first; n; n = m_[n].next) node(n);
    return std::move(out_);
  }

 private:
  void set(ValueId v, Range r) {
    if (!v || !m_[v].type.is_tensor()) return;
    const DType t = m_[v].type.dtype;
    const Range limit = of_type(t);
    if (std::isnan(r.low)) r.low = -kInf;
    if (std::isnan(r.high)) r.high = kInf;
    if (is_floating(t)) {
      r.low = outward(r.low, -1, t);
      r.high = outward(r.high, 1, t);
      r.top.reset();
    }
    // Arithmetic of a narrow integer wraps: beyond its type nothing is known but the type.
    if (limit.known() && (r.low < limit.low || r.high > limit.high)) r = limit;
    if (is_integer(t) && r.high < 0x1p53 && !r.top) r.top = Dim(static_cast<int64_t>(r.high));
    if (r.known() || r.top) out_.of[v] = r;
  }

  void input(ValueId v) {
    if (m_.constant(v) != nullptr || !m_[v].type.is_tensor()) return;
    const DType t = m_[v].type.dtype;
    if (t == DType::Bool) return set(v, {0, 1, Dim(1)});
    if (!is_integer(t)) return;
    Binding ones(Binding::Fill::ones);
    const IntRange r = int_range(m_, v, ones);
    set(v, {static_cast<double>(r.low), static_cast<double>(r.high), std::nullopt});
  }

  Range get(ValueId v) const {
    if (!v) return {};
    if (const Tensor* t = m_.constant(v)) return constant(*t);
    if (const auto known = values_.find(v); known != values_.end() && !known->second.empty()) {
      Range r = of_contents(known->second);
      if (const Range* also = out_.find(v)) {
        r.low = std::max(r.low, also->low);
        r.high = std::min(r.high, also->high);
      }
      return r;
    }
    if (const Range* r = out_.find(v)) return *r;
    return m_[v].type.is_tensor() ? of_type(m_[v].type.dtype) : Range{};
  }

  static Range constant(const Tensor& t) {
    if (t.count() == 0 || t.count() > kMaxScanned || t.byte_size() == 0 || t.dtype == DType::String ||
        t.dtype == DType::C64 || t.dtype == DType::C128)
      return of_type(t.dtype);
    Range r{kInf, -kInf, std::nullopt};
    for (int64_t i = 0; i < t.count(); ++i) {
      const double x = t.as_double(i);
      if (std::isnan(x)) return {};
      r.low = std::min(r.low, x);
      r.high = std::max(r.high, x);
    }
    if (is_integer(t.dtype) && std::abs(r.high) < 0x1p53) r.top = Dim(static_cast<int64_t>(r.high));
    return r;
  }

  // Contents that shape analysis follows, element by element.
  static Range of_contents(const Shape& s) {
    Range r{kInf, -kInf, s[0]};
    for (const Dim d : s) {
      r.low = std::min(r.low, d.is_const()             ? static_cast<double>(d.value())
                              : Dim::provably_ge(d, 0) ? 0
                                                       : -kInf);
      r.high = std::max(r.high, d.is_const() ? static_cast<double>(d.value()) : kInf);
      if (!r.top) continue;
      if (Dim::provably_ge(d, *r.top))
        r.top = d;
      else if (!Dim::provably_ge(*r.top, d))
        r.top.reset();
    }
    if (r.top && r.top->has_unknown()) r.top.reset();
    return r;
  }

  Range all_inputs(const Node& n, size_t from = 0) const {
    Range r = get(n.input(from));
    for (size_t i = from + 1; i < n.in.size(); ++i) r = hull(r, get(n.in[i]));
    return r;
  }

  void node(NodeId id) {
    const Node& n = m_[id];
    const ValueId y = n.output(0);
    if (!y || m_.constant(y) != nullptr) return;
    if (n.is("Gather")) limit(id, dim(n.in[0], n.attrs.i("axis", 0)), get(n.in[1]));
    if (n.is("GatherND") && n.attrs.i("batch_dims", 0) == 0) limit_columns(id);
    if (n.is("Split")) {
      for (const ValueId v : n.out) set(v, get(n.in[0]));
      return;
    }
    if (n.is("TopK")) {
      set(n.output(0), get(n.in[0]));
      return set(n.output(1), {0, size(n.in[0], n.attrs.i("axis", -1)), std::nullopt});
    }
    if (weights_ && one_of(n.type, {"MatMul", "Gemm", "Conv", "LayerNormalization", "RMSNormalization"})) {
      const Range x = get(n.in[m_.constant(n.in[0]) != nullptr ? 1 : 0]);
      if (const auto r = product_range(m_, id, {x.low, x.high}))
        return set(y, {r->low, r->high, std::nullopt});
    }
    if (n.domain.empty())
      set(y, n.canonical() ? rule(n) : Range{});
    else
      set(y, activation(n));
  }

  // Last index along an axis; infinity where its size is not a number.
  double size(ValueId v, int64_t axis) const {
    const Dim d = dim(v, axis);
    return d.is_const() ? static_cast<double>(d.value()) - 1 : kInf;
  }
  Dim dim(ValueId v, int64_t axis) const {
    const auto& s = m_[v].type.shape;
    if (!s) return Dim::unknown();
    if (axis < 0) axis += static_cast<int64_t>(s->size());
    return axis >= 0 && axis < static_cast<int64_t>(s->size()) ? (*s)[static_cast<size_t>(axis)]
                                                               : Dim::unknown();
  }

  Range activation(const Node& n) const {
    const std::string& t = n.type;
    const Range a = get(n.input(0));
    if (one_of(t, {"Softmax", "Sigmoid", "HardSigmoid"})) return {0, 1, std::nullopt};
    if (one_of(t, {"Tanh", "Erf", "Sin", "Cos", "Softsign"})) return {-1, 1, std::nullopt};
    if (t == "Relu") return {std::max(0.0, a.low), std::max(0.0, a.high), a.low >= 0 ? a.top : std::nullopt};
    if (one_of(t, {"Gelu", "FastGelu", "QuickGelu"})) return {-0.18, std::max(0.0, a.high), std::nullopt};
    if (t == "HardSwish") return {-0.376, std::max(0.0, a.high), std::nullopt};
    if (one_of(t, {"Exp", "Softplus"})) return {0, t == "Exp" ? std::exp(a.high) : kInf, std::nullopt};
    if (t == "LogSoftmax") return {-kInf, 0, std::nullopt};
    if (t == "Sqrt") return {0, a.high >= 0 ? std::sqrt(a.high) : kInf, std::nullopt};
    if (t == "Elu")
      return {-std::abs(static_cast<double>(n.attrs.f("alpha", 1))), std::max(0.0, a.high), std::nullopt};
    return {};
  }

  Range rule(const Node& n) {
    const std::string& t = n.type;
    const Range a = get(n.input(0));
    if (one_of(t, {"Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "Expand", "Tile",
                   "MaxPool", "GlobalMaxPool", "DepthToSpace", "SpaceToDepth", "ReverseSequence"}))
      return a;
    if (one_of(t, {"Slice", "Gather", "GatherND", "GatherElements", "Compress", "ReduceMin"})) return part(a);
    // A mean lies between the smallest and the largest.
    if (one_of(t, {"ReduceMax", "ReduceMean", "GlobalAveragePool"}))
      return {a.low, a.high, t == "ReduceMean" ? std::nullopt : a.top};
    if (t == "AveragePool") return hull(a, {0, 0, Dim(0)});
    if (t == "Trilu" || t == "Pad")
      return t == "Pad" && n.input(2) ? hull(a, get(n.in[2])) : hull(a, {0, 0, Dim(0)});
    if (t == "Dropout") return n.input(2) ? Range{} : a;  // training scales
    if (t == "Cast") return cast(n, a);
    if (t == "Concat" || t == "Max" || t == "Min") return variadic(n);
    if (t == "Where") return all_inputs(n, 1);
    if (t == "Add") return add(a, get(n.in[1]));
    if (t == "Sub") return add(a, negate(get(n.in[1])));
    if (t == "Mul") return multiply(a, get(n.in[1]));
    if (t == "Div" && is_floating(m_[n.in[0]].type.dtype)) return divide(a, get(n.in[1]));
    if (t == "Neg") return negate(a);
    if (t == "Abs") {
      const double most = std::max(std::abs(a.low), std::abs(a.high));
      return {a.low > 0 ? a.low : a.high < 0 ? -a.high : 0, most, a.low >= 0 ? a.top : std::nullopt};
    }
    if (t == "Floor") return map(a, std::floor);
    if (t == "Ceil") return map(a, std::ceil);
    if (t == "Round") return map(a, std::nearbyint);
    if (t == "Clip") {  // min(max(x, lo), hi) grows with each of the three
      const Range lo = n.input(1) ? get(n.in[1]) : Range{-kInf, -kInf, std::nullopt};
      const Range hi = n.input(2) ? get(n.in[2]) : Range{kInf, kInf, std::nullopt};
      return {std::min(std::max(a.low, lo.low), hi.low), std::min(std::max(a.high, lo.high), hi.high),
              std::nullopt};
    }
    if (t == "Pow") {
      const Tensor* e = m_.constant(n.input(1));
      const double p = e != nullptr ? e->scalar_value().value_or(0) : 0;
      if (p == 2) return multiply_self(a);
      return p == 0.5 ? Range{0, kInf, std::nullopt} : Range{};
    }
    if (one_of(t, {"ReduceSumSquare", "ReduceL2", "ReduceL1", "ReduceLogSumExp"}) && t != "ReduceLogSumExp")
      return {0, kInf, std::nullopt};
    if (t == "ReduceSum") return {a.low >= 0 ? 0 : -kInf, a.high <= 0 ? 0 : kInf, std::nullopt};
    if (one_of(t, {"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Not", "And", "Or", "Xor",
                   "IsNaN", "IsInf"}))
      return {0, 1, Dim(1)};
    if (one_of(t, {"Shape", "Size", "NonZero"})) return {0, kInf, std::nullopt};
    if (t == "ArgMax" || t == "ArgMin") {
      const Dim d = dim(n.in[0], n.attrs.i("axis", 0));
      return {0, size(n.in[0], n.attrs.i("axis", 0)), d.has_unknown() ? std::nullopt : std::optional(d - 1)};
    }
    if (t == "Range") return counted(n);
    if (t == "CumSum") return cumulated(n, a);
    if (t == "ConstantOfShape") {
      const TensorPtr v = n.attrs.tensor("value");
      return v ? constant(*v) : Range{0, 0, std::nullopt};
    }
    if (t == "OneHot") return get(n.input(2));
    if (t == "DequantizeLinear") {
      const Range zero = n.input(2) ? get(n.in[2]) : Range{0, 0, std::nullopt};
      return multiply(add(a.known() ? a : of_type(m_[n.in[0]].type.dtype), negate(zero)), get(n.in[1]));
    }
    return activation(n);
  }

  static Range multiply_self(const Range& a) {
    const double most = std::max(times(a.low, a.low), times(a.high, a.high));
    return {a.low > 0 ? a.low * a.low : a.high < 0 ? a.high * a.high : 0, most, std::nullopt};
  }

  Range cast(const Node& n, const Range& a) const {
    const DType from = m_[n.in[0]].type.dtype, to = m_[n.out[0]].type.dtype;
    if (to == DType::Bool) return {0, 1, Dim(1)};
    if (is_floating(from) && is_integer(to)) return map(a, std::trunc);
    // A float type of few bits rounds large integers up; a narrow integer wraps (set() looks at its limits).
    return {a.low, a.high, a.top};
  }

  Range variadic(const Node& n) const {
    Range r = get(n.input(0));
    for (size_t i = 1; i < n.in.size(); ++i) {
      const Range b = get(n.in[i]);
      if (n.type == "Concat") {
        r = hull(r, b);
        continue;
      }
      const bool max = n.type == "Max";
      const Range both = hull(r, b);
      r = max ? Range{std::max(r.low, b.low), std::max(r.high, b.high), both.top}
              : Range{std::min(r.low, b.low), std::min(r.high, b.high), std::nullopt};
    }
    return r;
  }

  // Range(start, limit, delta) with a positive delta: below the limit.
  Range counted(const Node& n) const {
    const Range start = get(n.in[0]), limit = get(n.in[1]), delta = get(n.in[2]);
    if (delta.low <= 0 || !is_integer(m_[n.out[0]].type.dtype)) return {};
    Range r{start.low, limit.high - 1, std::nullopt};
    if (limit.top) r.top = *limit.top - 1;
    return r;
  }

  // Sums of at most `dim` elements.
  Range cumulated(const Node& n, const Range& a) const {
    const Tensor* axis = m_.constant(n.input(1));
    if (axis == nullptr || axis->count() != 1 || a.low < 0) return {};
    const Dim d = dim(n.in[0], axis->as_i64(0));
    Range r{0, d.is_const() ? times(a.high, static_cast<double>(d.value())) : kInf, std::nullopt};
    if (a.top && a.top->is_const() && !d.has_unknown()) r.top = *a.top * d;
    return r;
  }

  // Indices put together column by column: column k indexes axis k.
  void limit_columns(NodeId id) {
    const Node& n = m_[id];
    const NodeId columns = m_[n.in[1]].def;
    if (!columns || !m_[columns].is("Concat")) return;
    const int64_t axis = m_[columns].attrs.i("axis", 0);
    if (axis != -1 && axis + 1 != m_[n.in[1]].type.rank()) return;
    for (const ValueId v : m_[columns].in)
      if (dim(v, -1) != Dim(1)) return;
    for (size_t k = 0; k < m_[columns].in.size(); ++k)
      limit(id, dim(n.in[0], static_cast<int64_t>(k)), get(m_[columns].in[k]));
  }

  // The last index that node `id` reads must lie below the operand's size.
  void limit(NodeId id, Dim rows, const Range& index) {
    if (!index.top || index.top->is_const() || index.top->has_unknown() || rows.has_unknown()) return;
    if (Dim::provably_ge(rows, *index.top + 1, 1)) return;
    // Size on the left; on the right a number, or one symbol of the operand's size.
    Dim left = *index.top + 1 - rows, right = 0;
    for (const std::string& name : rows.symbols()) {
      const Dim s = Dim::symbol(name), without = left + s;
      const auto names = without.symbols();
      if (std::find(names.begin(), names.end(), name) != names.end()) continue;
      left = without;
      right = s;
      break;
    }
    if (!rows.is_const() && right.is_const()) return;
    right = right - Dim(constant_term(left));
    left = left - Dim(constant_term(left));
    for (IndexLimit& l : out_.limits)
      if (l.size == left) {
        if (Dim::provably_ge(l.most, right)) l = {left, right, id};
        return;
      }
    out_.limits.push_back({left, right, id});
  }

  static int64_t constant_term(Dim d) {
    return d.substitute([](const std::string&) { return std::optional(Dim(0)); }).constant().value_or(0);
  }

  const Model& m_;
  const ShapeValues& values_;
  bool weights_;
  Ranges out_;
};

}  // namespace

Ranges analyze_ranges(const Model& m, const ShapeValues& values, bool weights) {
  return Analysis(m, values, weights).run();
}

}  // namespace lathe
