#include "ir/ops/infer_ctx.h"

#include <algorithm>

#include "ir/core/label.h"
#include "ir/ops/relations.h"

namespace lathe {
namespace {

// How much a dim tells: a constant more than a formula over symbols, that more than one with unknowns in it.
int knowledge(Dim d) { return d.is_const() ? 3 : !d.has_unknown() ? 2 : d.is_unknown() ? 0 : 1; }

// The rule's dim wins over the declared one unless it tells less; of two that tell the same little, the
// declared one stays, so that inferring again changes nothing.
Dim merge(Dim inferred, Dim declared) {
  const int a = knowledge(inferred), b = knowledge(declared);
  if (a != b) return a > b ? inferred : declared;
  return a >= 2 ? inferred : declared;
}

// Integers of a type wrap where dims do not. Sizes are taken to fit 32 bits, constants are looked at.
bool fits(DType t, Dim d) {
  const int bits = bit_width(t);
  if (t == DType::Undefined || t == DType::I64 || (!is_integer(t) && t != DType::Bool)) return true;
  if (!d.is_const()) return bits >= 32;
  const int64_t v = d.value();
  if (t == DType::Bool) return v == 0 || v == 1;
  if (!is_signed_integer(t)) return v >= 0 && (bits == 64 || v >> bits == 0);
  return v >> (bits - 1) == 0 || v >> (bits - 1) == -1;
}

}  // namespace

Type merge_types(Type inferred, const Type& declared) {
  if (!inferred.known()) return declared;
  if (inferred.kind != declared.kind) return inferred;
  if (inferred.dtype == DType::Undefined) inferred.dtype = declared.dtype;
  if (inferred.denotation.empty()) inferred.denotation = declared.denotation;
  if (inferred.dim_denotations.empty()) inferred.dim_denotations = declared.dim_denotations;
  if (!inferred.item)
    inferred.item = declared.item;
  else if (declared.item)
    inferred.item = std::make_shared<const Type>(merge_types(*inferred.item, *declared.item));
  if (!inferred.shape) {
    inferred.shape = declared.shape;
  } else if (declared.shape && declared.shape->size() == inferred.shape->size()) {
    for (size_t i = 0; i < inferred.shape->size(); ++i)
      (*inferred.shape)[i] = merge((*inferred.shape)[i], (*declared.shape)[i]);
  }
  return inferred;
}

const Type& InferCtx::type(size_t i) const {
  static const Type none;
  const ValueId v = node().input(i);
  return v ? m_[v].type : none;
}

const Shape* InferCtx::shape(size_t i) const {
  const Type& t = type(i);
  return t.is_tensor() && t.shape ? &*t.shape : nullptr;
}

std::optional<Shape> InferCtx::value(size_t i) const {
  const ValueId v = node().input(i);
  if (!v) return std::nullopt;
  if (const Tensor* t = m_.constant(v)) {
    if (t->rank() > 1 || !(is_integer(t->dtype) || t->dtype == DType::Bool)) return std::nullopt;
    if (t->count() > static_cast<int64_t>(kMaxShapeValues)) return std::nullopt;
    const auto values = t->to_i64();
    return Shape(values.begin(), values.end());
  }
  const auto it = values_.find(v);
  return it == values_.end() ? std::nullopt : std::optional(it->second);
}

void InferCtx::out(size_t i, Type t) {
  const ValueId v = node().output(i);
  if (!v) return;
  if (const Type& known = m_[v].type; known.known()) t = merge_types(std::move(t), known);
  if (!(t == m_[v].type)) m_.set_type(v, std::move(t));
}

void InferCtx::out_value(size_t i, Shape contents) {
  const ValueId v = node().output(i);
  if (!v || contents.size() > kMaxShapeValues) return;
  const DType dtype = m_[v].type.dtype;
  for (Dim& d : contents)
    if (!fits(dtype, d)) d = Dim::unknown();
  values_[v] = std::move(contents);
}

std::vector<Type> InferCtx::body(GraphId g, std::span<const Type> inputs) {
  return run_body ? run_body(g, inputs) : std::vector<Type>(m_[g].outputs.size());
}

void InferCtx::contradiction(const std::string& why) const {
  std::string from;
  for (size_t i = 0; i < inputs(); ++i) {
    const ValueId v = node().input(i);
    if (!v || !m_[v].type.is_tensor()) continue;
    const NodeId n = m_[v].def;
    from += fmt::format("{}'{}' {}{}", from.empty() ? " (reads " : ", ", m_[v].name, m_[v].type.str(),
                        m_.constant(v) != nullptr ? ", a constant"
                        : !n || m_.is_hidden(n)   ? ", an input"
                                                  : " of " + node_place(m_, m_[n]));
  }
  throw NodeError(ErrorKind::input, node_place(m_, node()) + ": " + why + (from.empty() ? "" : from + ")"));
}

int64_t normalize_axis(const InferCtx& c, int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank)
    c.contradiction(fmt::format("axis {} is outside of a tensor of rank {}", axis, rank));
  return axis < 0 ? axis + rank : axis;
}

Shape broadcast_shapes(const InferCtx& c, const Shape& a, const Shape& b) {
  Shape out(std::max(a.size(), b.size()), Dim(1));
  for (size_t i = 0; i < out.size(); ++i) {
    const size_t back = out.size() - i;  // distance from the end
    const Dim x = back <= a.size() ? a[a.size() - back] : Dim(1),
              y = back <= b.size() ? b[b.size() - back] : Dim(1);
    if (x.is_const() && y.is_const() && !(x == y) && !x.is_const(1) && !y.is_const(1))
      c.contradiction(fmt::format("shapes {} and {} do not broadcast", to_string(a), to_string(b)));
    must_equal(c, x, y, true);
    out[i] = Dim::broadcast(x, y);
  }
  return out;
}

}  // namespace lathe
