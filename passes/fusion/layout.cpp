#include "passes/fusion/layout.h"

#include "ir/onnx/lift.h"

namespace lathe {
namespace {

void append(std::vector<Piece>& axis, const Piece& p) {
  if (!axis.empty() && axis.back().axis == p.axis && axis.back().inner == p.inner * p.size) {
    axis.back().size = axis.back().size * p.size;
    axis.back().inner = p.inner;
    return;
  }
  axis.push_back(p);
}

std::optional<Layout> regroup(const Layout& in, const Shape& to) {
  std::vector<Piece> flat;
  for (const auto& axis : in) flat.insert(flat.end(), axis.begin(), axis.end());
  Layout out;
  size_t next = 0;
  for (Dim need : to) {
    out.emplace_back();
    while (!need.is_const(1)) {
      if (next == flat.size()) return std::nullopt;
      Piece& p = flat[next];
      if (const auto left = Dim::exact_div(need, p.size)) {
        append(out.back(), p);
        need = *left;
        ++next;
        continue;
      }
      const auto inside = Dim::exact_div(p.size, need);
      if (!inside) return std::nullopt;
      append(out.back(), {p.axis, need, p.inner * *inside});
      p.size = *inside;
      need = 1;
    }
  }
  return next == flat.size() ? std::optional(std::move(out)) : std::nullopt;
}

}  // namespace

Layout initial_layout(const Shape& shape) {
  Layout out(shape.size());
  for (size_t i = 0; i < shape.size(); ++i)
    if (!shape[i].is_const(1)) out[i].push_back({static_cast<int>(i), shape[i], 1});
  return out;
}

bool is_layout_op(const Node& n) {
  return n.domain.empty() && is_canonical(n) &&
         (n.type == "Reshape" || n.type == "Transpose" || n.type == "Squeeze" || n.type == "Unsqueeze" ||
          n.type == "Flatten");
}

std::optional<Layout> apply_layout(const Model& m, NodeId n, const Layout& in) {
  const Node& node = m[n];
  if (!is_layout_op(node)) return std::nullopt;
  if (node.type == "Transpose") {
    const auto perm = node.attrs.ints("perm");
    Layout out(in.size());
    for (size_t i = 0; i < in.size(); ++i) {
      const size_t from = perm.empty()      ? in.size() - 1 - i
                          : i < perm.size() ? static_cast<size_t>(perm[i])
                                            : in.size();
      if (from >= in.size()) return std::nullopt;
      out[i] = in[from];
    }
    return out;
  }
  const Type& t = m[node.out[0]].type;
  return t.shape ? regroup(in, *t.shape) : std::nullopt;
}

std::optional<Scaled> scaling(const Model& m, NodeId n) {
  const Node& node = m[n];
  if (!node.domain.empty() || !is_canonical(node) || (node.type != "Mul" && node.type != "Div"))
    return std::nullopt;
  const auto factor = [&](ValueId v) -> std::optional<double> {
    const Tensor* t = m.constant(v);
    if (t == nullptr || !is_floating(t->dtype) || t->count() != 1 || t->rank() > m[node.out[0]].type.rank())
      return std::nullopt;
    return t->as_double(0);
  };
  if (const auto c = factor(node.in[1])) {
    if (node.type == "Div" && *c == 0) return std::nullopt;
    return Scaled{node.in[0], node.type == "Mul" ? *c : 1 / *c};
  }
  if (node.type == "Mul")
    if (const auto c = factor(node.in[0])) return Scaled{node.in[1], *c};
  return std::nullopt;
}

Origin origin(const Model& m, ValueId v) {
  constexpr size_t kMaxNodes = 32;
  Origin o;
  o.values.push_back(v);
  while (o.nodes.size() < kMaxNodes) {
    const NodeId n = m[v].def;
    if (!n || m.is_hidden(n) || m[n].output(0) != v) break;
    double factor = 1;
    if (const auto s = scaling(m, n)) {
      v = s->x;
      factor = s->factor;
    } else if (is_layout_op(m[n]) || m[n].is("Identity")) {
      v = m[n].in[0];
    } else {
      break;
    }
    o.nodes.push_back(n);
    o.scales.push_back(factor);
    o.values.push_back(v);
  }
  return o;
}

double scale_from(const Origin& o, size_t i) {
  double s = 1;
  for (size_t k = 0; k < i; ++k) s *= o.scales[k];
  return s;
}

std::optional<Layout> layout_from(const Model& m, const Origin& o, size_t i) {
  const Type& t = m[o.values[i]].type;
  if (!t.shape) return std::nullopt;
  std::optional<Layout> l = initial_layout(*t.shape);
  for (size_t k = i; k-- > 0 && l;)
    if (is_layout_op(m[o.nodes[k]])) l = apply_layout(m, o.nodes[k], *l);
  return l;
}

}  // namespace lathe
