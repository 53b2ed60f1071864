#include "passes/fusion/elements.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "ir/onnx/lift.h"

namespace lathe {
namespace {

Affine constant(Dim d) { return {d, {}}; }

void add_scaled(Affine& a, const Affine& b, Dim factor) {
  a.constant = a.constant + b.constant * factor;
  for (const auto& [id, k] : b.terms) {
    Dim& c = a.terms[id];
    c = c + k * factor;
    if (c.is_const(0)) a.terms.erase(id);
  }
}

Affine sum(Affine a, const Affine& b, Dim factor = 1) {
  add_scaled(a, b, factor);
  return a;
}

std::vector<Dim> strides(const Shape& shape) {
  std::vector<Dim> s(shape.size(), Dim(1));
  for (size_t i = shape.size(); i-- > 1;) s[i - 1] = s[i] * shape[i];
  return s;
}

// The single number that a constant holds everywhere, or at constant indices.
std::optional<double> number(const Tensor& t, const std::vector<Affine>& at) {
  constexpr int64_t kLargest = 1 << 16;
  if (!(is_floating(t.dtype) || is_integer(t.dtype) || t.dtype == DType::Bool)) return std::nullopt;
  const int64_t count = t.count();
  if (count == 0 || count > kLargest) return std::nullopt;
  int64_t index = 0;
  bool known = at.size() == t.dims.size();
  for (size_t i = 0; known && i < at.size(); ++i) {
    const auto c = at[i].constant.constant();
    known = at[i].terms.empty() && c && *c >= 0 && *c < t.dims[i];
    if (known) index = index * t.dims[i] + *c;
  }
  if (known) return t.as_double(index);
  for (int64_t i = 1; i < count; ++i)
    if (t.as_double(i) != t.as_double(0)) return std::nullopt;
  return t.as_double(0);
}

double cast(double x, DType to) {
  constexpr double kHalfMax = 65504, kFloatMax = 3.4028234663852886e38;
  if (to == DType::Bool) return x != 0 ? 1 : 0;
  if (is_integer(to)) return std::trunc(x);
  const double limit = to == DType::F16 ? kHalfMax : kFloatMax;
  return to == DType::F64 || std::fabs(x) <= limit ? x : std::copysign(HUGE_VAL, x);
}

using Binary = double (*)(double, double);
Binary binary(const std::string& type) {
  static const std::map<std::string, Binary, std::less<>> table = {
      {"Add", [](double a, double b) { return a + b; }},
      {"Sub", [](double a, double b) { return a - b; }},
      {"Mul", [](double a, double b) { return a * b; }},
      {"Div", [](double a, double b) { return a / b; }},
      {"And", [](double a, double b) { return a != 0 && b != 0 ? 1.0 : 0.0; }},
      {"Or", [](double a, double b) { return a != 0 || b != 0 ? 1.0 : 0.0; }},
      {"Equal", [](double a, double b) { return a == b ? 1.0 : 0.0; }},
      {"Greater", [](double a, double b) { return a > b ? 1.0 : 0.0; }},
      {"GreaterOrEqual", [](double a, double b) { return a >= b ? 1.0 : 0.0; }},
      {"Less", [](double a, double b) { return a < b ? 1.0 : 0.0; }},
      {"LessOrEqual", [](double a, double b) { return a <= b ? 1.0 : 0.0; }},
  };
  const auto it = table.find(type);
  return it == table.end() ? nullptr : it->second;
}

}  // namespace

Affine variable(int id) { return {Dim(0), {{id, Dim(1)}}}; }

const Shape* ElementFormulas::shape(ValueId v) const {
  const Type& t = m_[v].type;
  return t.is_tensor() && t.shape ? &*t.shape : nullptr;
}

NodeId ElementFormulas::def(ValueId v) const {
  const NodeId n = m_[v].def;
  return n && !m_.is_hidden(n) && m_[n].domain.empty() && is_canonical(m_[n]) && m_[n].output(0) == v
             ? n
             : NodeId{};
}

void ElementFormulas::visit(NodeId n) {
  if (std::find(nodes_.begin(), nodes_.end(), n) == nodes_.end()) nodes_.push_back(n);
}

std::optional<std::vector<Affine>> ElementFormulas::broadcast(ValueId operand,
                                                              const std::vector<Affine>& at) const {
  const Shape* s = shape(operand);
  if (s == nullptr || s->size() > at.size()) return std::nullopt;
  std::vector<Affine> out(at.end() - static_cast<std::ptrdiff_t>(s->size()), at.end());
  for (size_t i = 0; i < out.size(); ++i)
    if ((*s)[i].is_const(1)) out[i] = constant(0);
  return out;
}

std::optional<Dim> ElementFormulas::upper_bound(const Affine& a) const {
  Dim top = a.constant;
  for (const auto& [id, k] : a.terms) {
    if (!Dim::provably_ge(k, 0, 1)) return std::nullopt;
    top = top + k * (extents_[static_cast<size_t>(id)] - 1);
  }
  return top;
}

// Through the flat position: its terms are dealt out to the axes of `from` by divisibility.
std::optional<std::vector<Affine>> ElementFormulas::reshaped(const Shape& from, const Shape& to,
                                                             const std::vector<Affine>& at) const {
  if (from == to) return at;
  Affine rest = constant(0);
  const auto out = strides(to), in = strides(from);
  for (size_t i = 0; i < to.size(); ++i) rest = sum(rest, at[i], out[i]);
  std::vector<Affine> result;
  for (size_t i = 0; i < from.size(); ++i) {
    if (from[i].is_const(1)) {
      result.push_back(constant(0));
      continue;
    }
    Affine part = constant(0);
    for (const auto& [id, k] : rest.terms)
      if (const auto q = Dim::exact_div(k, in[i])) part.terms[id] = *q;
    if (const auto q = Dim::exact_div(rest.constant, in[i])) part.constant = *q;
    rest = sum(rest, part, Dim(0) - in[i]);
    const auto top = upper_bound(rest);
    if (!top || !Dim::provably_ge(in[i] - 1, *top, 1) || !Dim::provably_ge(rest.constant, 0, 1))
      return std::nullopt;
    result.push_back(std::move(part));
  }
  return result;
}

std::optional<ElementFormulas::Source> ElementFormulas::moved(NodeId n, const std::vector<Affine>& at) {
  const Node& node = m_[n];
  const ValueId in = node.input(0);
  if (!in) return std::nullopt;
  const Shape *from = shape(in), *to = shape(node.out[0]);
  if (from == nullptr || to == nullptr || at.size() != to->size()) return std::nullopt;
  const std::string& t = node.type;
  if (t == "Identity") return Source{in, at};
  if (t == "Reshape" || t == "Flatten" || t == "Squeeze" || t == "Unsqueeze") {
    auto r = reshaped(*from, *to, at);
    return r ? std::optional(Source{in, std::move(*r)}) : std::nullopt;
  }
  if (t == "Expand") {
    auto r = broadcast(in, at);
    return r ? std::optional(Source{in, std::move(*r)}) : std::nullopt;
  }
  if (t == "Transpose") {
    std::vector<int64_t> perm = node.attrs.ints("perm");
    std::vector<Affine> r(at.size());
    for (size_t i = 0; i < at.size(); ++i) {
      const size_t p = perm.empty() ? at.size() - 1 - i : static_cast<size_t>(perm[i]);
      if (p >= r.size()) return std::nullopt;
      r[p] = at[i];
    }
    return Source{in, std::move(r)};
  }
  if (t == "Gather") {
    const auto rank = static_cast<int64_t>(from->size());
    int64_t axis = node.attrs.i("axis", 0);
    if (axis < 0) axis += rank;
    const Shape* index_shape = shape(node.input(1));
    if (axis < 0 || axis >= rank || index_shape == nullptr) return std::nullopt;
    const auto first = at.begin() + axis;
    const auto last = first + static_cast<std::ptrdiff_t>(index_shape->size());
    const auto index = integer(node.in[1], std::vector<Affine>(first, last));
    if (!index) return std::nullopt;
    std::vector<Affine> r(at.begin(), first);
    r.push_back(*index);
    r.insert(r.end(), last, at.end());
    return Source{in, std::move(r)};
  }
  if (t == "GatherND" && node.attrs.i("batch_dims", 0) == 0) {
    const Shape* index_shape = shape(node.input(1));
    if (index_shape == nullptr || index_shape->empty() || index_shape->size() - 1 > at.size())
      return std::nullopt;
    const auto depth = index_shape->back().constant();
    if (!depth || *depth < 0 || *depth > static_cast<int64_t>(from->size())) return std::nullopt;
    const auto split = at.begin() + static_cast<std::ptrdiff_t>(index_shape->size() - 1);
    std::vector<Affine> r;
    for (int64_t j = 0; j < *depth; ++j) {
      std::vector<Affine> where(at.begin(), split);
      where.push_back(constant(j));
      const auto index = integer(node.in[1], where);
      if (!index) return std::nullopt;
      r.push_back(*index);
    }
    r.insert(r.end(), split, at.end());
    return Source{in, std::move(r)};
  }
  if (t == "Concat") {  // at a constant position of pieces of constant size
    int64_t axis = node.attrs.i("axis", 0);
    if (axis < 0) axis += static_cast<int64_t>(to->size());
    if (axis < 0 || axis >= static_cast<int64_t>(to->size())) return std::nullopt;
    const Affine& position = at[static_cast<size_t>(axis)];
    if (!position.terms.empty() || !position.constant.is_const()) return std::nullopt;
    int64_t left = position.constant.value();
    for (const ValueId piece : node.in) {
      const Shape* s = piece ? shape(piece) : nullptr;
      if (s == nullptr || s->size() != to->size()) return std::nullopt;
      const auto size = (*s)[static_cast<size_t>(axis)].constant();
      if (!size) return std::nullopt;
      if (left < *size) {
        std::vector<Affine> r = at;
        r[static_cast<size_t>(axis)] = constant(left);
        return Source{piece, std::move(r)};
      }
      left -= *size;
    }
  }
  if (t == "Slice") {  // from the front, step 1: positions keep their numbers
    const Tensor* starts = m_.constant(node.input(1));
    if (starts == nullptr || !is_integer(starts->dtype)) return std::nullopt;
    for (const int64_t s : starts->to_i64())
      if (s != 0) return std::nullopt;
    if (node.input(4)) {
      const Tensor* steps = m_.constant(node.in[4]);
      if (steps == nullptr || !is_integer(steps->dtype)) return std::nullopt;
      for (const int64_t s : steps->to_i64())
        if (s != 1) return std::nullopt;
    }
    return Source{in, at};
  }
  return std::nullopt;
}

std::optional<Affine> ElementFormulas::table(const Tensor& t, const std::vector<Affine>& at) const {
  constexpr int64_t kLargest = 1 << 16;
  const int64_t count = t.count();
  if (!is_integer(t.dtype) || at.size() != t.dims.size() || count == 0 || count > kLargest)
    return std::nullopt;
  Affine out = constant(t.as_i64(0));
  std::vector<int64_t> step(t.dims.size(), 0);
  int64_t stride = count;
  for (size_t i = 0; i < t.dims.size(); ++i) {
    stride /= t.dims[i];
    if (t.dims[i] > 1) step[i] = t.as_i64(stride) - t.as_i64(0);
    out = sum(out, at[i], step[i]);
  }
  for (int64_t i = 0; i < count; ++i) {
    int64_t left = i, want = t.as_i64(0);
    for (size_t j = t.dims.size(); j-- > 0;) {
      want += step[j] * (left % t.dims[j]);
      left /= t.dims[j];
    }
    if (t.as_i64(i) != want) return std::nullopt;
  }
  return out;
}

std::optional<Affine> ElementFormulas::integer(ValueId v, const std::vector<Affine>& at) {
  if (!v || depth_ >= kMaxDepth || ++steps_ > kMaxSteps) return std::nullopt;
  struct Deeper {
    int& d;
    explicit Deeper(int& depth) : d(depth) { ++d; }
    ~Deeper() { --d; }
  } deeper(depth_);
  if (const Tensor* t = m_.constant(v)) return table(*t, at);
  if (const auto known = values_.find(v); known != values_.end()) {
    if (at.empty() && known->second.size() == 1) return constant(known->second[0]);
    if (at.size() == 1 && at[0].terms.empty() && at[0].constant.is_const()) {
      const int64_t i = at[0].constant.value();
      if (i >= 0 && i < static_cast<int64_t>(known->second.size()))
        return constant(known->second[static_cast<size_t>(i)]);
    }
  }
  const NodeId n = def(v);
  if (!n) return std::nullopt;
  visit(n);
  const Node& node = m_[n];
  if (node.type == "Range" && at.size() == 1) {
    const auto start = integer(node.input(0), {}), delta = integer(node.input(2), {});
    if (!start || !delta || !delta->terms.empty()) return std::nullopt;
    return sum(*start, at[0], delta->constant);
  }
  if (node.type == "Cast") return is_integer(m_[v].type.dtype) ? integer(node.input(0), at) : std::nullopt;
  if (node.type == "Add" || node.type == "Sub" || node.type == "Mul") {
    const auto left = broadcast(node.in[0], at), right = broadcast(node.in[1], at);
    if (!left || !right) return std::nullopt;
    const auto a = integer(node.in[0], *left), b = integer(node.in[1], *right);
    if (!a || !b) return std::nullopt;
    if (node.type == "Add") return sum(*a, *b);
    if (node.type == "Sub") return sum(*a, *b, -1);
    if (a->terms.empty()) return sum(constant(0), *b, a->constant);
    if (b->terms.empty()) return sum(constant(0), *a, b->constant);
    return std::nullopt;
  }
  const auto source = moved(n, at);
  return source ? integer(source->value, source->at) : std::nullopt;
}

// Positions against positions: decided by the signs of the coefficients.
std::optional<Element> ElementFormulas::compare(NodeId n, const std::vector<Affine>& at) {
  const Node& node = m_[n];
  const bool at_least = node.type == "GreaterOrEqual", at_most = node.type == "LessOrEqual";
  if ((!at_least && !at_most) || !is_integer(m_[node.in[0]].type.dtype)) return std::nullopt;
  const auto left = broadcast(node.in[0], at), right = broadcast(node.in[1], at);
  if (!left || !right) return std::nullopt;
  const auto a = integer(node.in[0], *left), b = integer(node.in[1], *right);
  if (!a || !b) return std::nullopt;
  const Affine d = at_least ? sum(*a, *b, -1) : sum(*b, *a, -1);
  bool holds = Dim::provably_ge(d.constant, 0, 1);
  for (const auto& [id, k] : d.terms) holds = holds && Dim::provably_ge(k, 0, 1);
  return holds ? std::optional(Element{{}, {}, 1, 1}) : std::nullopt;
}

std::optional<Element> ElementFormulas::pointwise(NodeId n, const std::vector<Affine>& at) {
  const Node& node = m_[n];
  std::vector<Element> in;
  const Binary f = binary(node.type);
  const size_t wanted = f != nullptr ? 2 : node.type == "Where" ? 3 : 1;
  if (f == nullptr && wanted == 1 && node.type != "Cast" && node.type != "Not" && node.type != "Neg")
    return std::nullopt;
  if (node.in.size() != wanted) return std::nullopt;
  Element out;
  for (const ValueId v : node.in) {
    const auto where = broadcast(v, at);
    const auto e = where ? element(v, *where) : std::nullopt;
    if (!e) return std::nullopt;
    if (e->mask) {
      if (out.mask && (out.mask != e->mask || out.at != e->at)) return std::nullopt;
      out.mask = e->mask;
      out.at = e->at;
    }
    in.push_back(*e);
  }
  const auto apply = [&](double Element::* x) {
    if (f != nullptr) return f(in[0].*x, in[1].*x);
    if (node.type == "Where") return in[0].*x != 0 ? in[1].*x : in[2].*x;
    if (node.type == "Not") return in[0].*x == 0 ? 1.0 : 0.0;
    if (node.type == "Neg") return -(in[0].*x);
    return cast(in[0].*x, m_[node.out[0]].type.dtype);
  };
  out.if0 = apply(&Element::if0);
  out.if1 = apply(&Element::if1);
  if (out.if0 == out.if1) out.mask = {};
  return out;
}

std::optional<Element> ElementFormulas::element(ValueId v, const std::vector<Affine>& at) {
  if (!v || depth_ >= kMaxDepth || ++steps_ > kMaxSteps) return std::nullopt;
  if (const Tensor* t = m_.constant(v)) {
    const auto x = number(*t, at);
    return x ? std::optional(Element{{}, {}, *x, *x}) : std::nullopt;
  }
  struct Deeper {
    int& d;
    explicit Deeper(int& depth) : d(depth) { ++d; }
    ~Deeper() { --d; }
  } deeper(depth_);
  const size_t before = nodes_.size();
  if (const NodeId n = def(v)) {
    visit(n);
    if (auto e = compare(n, at)) return e;
    if (auto e = pointwise(n, at)) return e;
    if (const auto source = moved(n, at))
      if (auto e = element(source->value, source->at)) return e;
    nodes_.resize(before);
  }
  const DType t = m_[v].type.dtype;
  if (t == DType::Bool || is_integer(t)) return Element{v, at, 0, 1};
  return std::nullopt;
}

}  // namespace lathe
