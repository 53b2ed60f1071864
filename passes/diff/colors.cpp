#include "passes/diff/colors.h"

#include <algorithm>

#include "ir/base/hash.h"
#include "ir/core/walk.h"

namespace lathe::diff {
namespace {

constexpr int64_t kSmall = 64;  // elements of a constant whose value counts as structure
constexpr size_t kPieces = 8, kPiece = 32;

uint64_t type_color(const Tensor& t) {
  uint64_t h = hash_combine(0x7e, static_cast<uint64_t>(t.dtype));
  for (const int64_t d : t.dims) h = hash_combine(h, static_cast<uint64_t>(d));
  return h;
}

bool has_bytes(const Tensor& t) { return t.dtype == DType::String || !t.bytes().empty(); }

uint64_t sample(const Tensor& t) {
  uint64_t h = type_color(t);
  if (!has_bytes(t)) return h;
  const auto bytes = t.bytes();
  if (t.dtype == DType::String || bytes.size() <= kPieces * kPiece) return hash_combine(h, content_hash(t));
  for (size_t i = 0; i < kPieces; ++i)
    h = hash_bytes(bytes.data() + (bytes.size() - kPiece) / (kPieces - 1) * i, kPiece, h);
  return h;
}

uint64_t attr_color(const AttrValue& v, const Palette& p) {
  if (const auto* t = std::get_if<TensorPtr>(&v)) return *t ? sample(**t) : 0;
  if (const auto* g = std::get_if<GraphId>(&v)) return p.body(*g);
  if (const auto* list = std::get_if<std::vector<GraphId>>(&v)) {
    uint64_t h = 0x96;
    for (const GraphId g : *list) h = hash_combine(h, p.body(g));
    return h;
  }
  return hash_value(v);
}

uint64_t operand_color(const Operand& o, Palette& p, Detail detail, const Anchors& anchors,
                       const std::vector<uint64_t>& of_nodes) {
  switch (o.kind) {
    case Operand::Kind::none:
      return 1;
    case Operand::Kind::node:
      return hash_combine(of_nodes[o.source], o.out);
    case Operand::Kind::constant:
      return p.constant(o.value, detail);
    case Operand::Kind::port:
      return anchors.inputs[o.source];
    case Operand::Kind::outer: {
      const ValueId partner = anchors.outer != nullptr ? (*anchors.outer)[o.value.v] : ValueId{};
      return partner ? mix((anchors.is_a ? o.value.v : partner.v) + 0x5eedull) : 3;
    }
  }
  return 0;
}

// Ordered, except for what order does not matter in: captures, and operands of commutative ops.
uint64_t operands_color(const Scope& s, uint32_t i, Palette& p, Detail detail, const Anchors& anchors,
                        const std::vector<uint64_t>& of_nodes) {
  const bool swaps = is_commutative(s.node(i));
  uint64_t h = 5, set = 0;
  for (const Operand& o : s.operands(i)) {
    const uint64_t c = operand_color(o, p, detail, anchors, of_nodes);
    if (swaps || o.slot == kCapture)
      set += mix(c);
    else
      h = hash_combine(h, c);
  }
  return hash_combine(h, set);
}

uint64_t readers_color(const Scope& s, uint32_t i, const std::vector<uint64_t>& of_nodes,
                       const Anchors& anchors) {
  uint64_t set = 0;
  for (const Reader& r : s.readers(i)) {
    const uint64_t slot = r.node != kNone && is_commutative(s.node(r.node)) ? 0 : r.slot;
    const uint64_t c = r.node == kNone ? anchors.outputs[r.slot] : hash_combine(of_nodes[r.node], slot);
    set += mix(hash_combine(c, r.out));
  }
  return set;
}

}  // namespace

Palette::Palette(const Model& m)
    : m_(m), small_(m.value_capacity(), 0), sampled_(m.value_capacity(), 0), bodies_(m.graph_capacity(), 0) {
  // Inner graphs before those around them.
  std::vector<GraphId> graphs = all_graphs(m);
  std::reverse(graphs.begin(), graphs.end());
  for (const GraphId g : graphs)
    if (g != m.main()) bodies_[g.v] = body_color(g);
}

uint64_t Palette::body_color(GraphId g) {
  const Scope s(m_, g);
  Anchors around;
  for (size_t i = 0; i < m_[g].inputs.size(); ++i) around.inputs.push_back(mix(i + 1));
  const auto local = local_colors(s, *this, Detail::weights);
  const auto forward = forward_colors(s, *this, Detail::weights, local, around);
  uint64_t h = hash_combine(around.inputs.size(), s.results().size()), set = 0;
  for (const Operand& o : s.results())
    h = hash_combine(h, operand_color(o, *this, Detail::weights, around, forward));
  for (const uint64_t c : forward) set += mix(c);
  return hash_combine(h, set);
}

uint64_t Palette::constant(ValueId v, Detail detail) {
  const Tensor* t = m_.constant(v);
  if (t == nullptr) {
    const auto& sparse = m_[v].sparse;
    return sparse ? hash_combine(sample(sparse->values), sample(sparse->indices)) : 0;
  }
  if (detail == Detail::ops) return hash_combine(0xc0, static_cast<uint64_t>(t->rank()));
  auto& known = detail == Detail::weights ? sampled_[v.v] : small_[v.v];
  if (known == 0)
    known = detail == Detail::weights || t->count() <= kSmall ? hash_combine(sample(*t), 1)
                                                              : hash_combine(type_color(*t), 2);
  return known;
}

uint64_t Palette::op(NodeId n) const {
  const Node& node = m_[n];
  return hash_string(node.type, hash_string(node.domain, hash_string(node.overload)));
}

uint64_t Palette::local(const Scope& s, uint32_t i, Detail detail) {
  const Node& node = s.node(i);
  uint64_t h = hash_combine(op(s.id(i)), node.out.size());
  if (detail == Detail::ops) return h;
  uint64_t set = 0;
  for (const Attr& a : node.attrs.items())
    set += mix(hash_combine(hash_string(a.name), attr_color(a.value, *this)));
  h = hash_combine(h, set);
  set = 0;
  const bool swaps = is_commutative(node);
  for (const Operand& o : s.operands(i))
    if (o.kind == Operand::Kind::constant)
      set += mix(hash_combine(constant(o.value, detail), swaps ? 0 : o.slot));
  return hash_combine(h, set);
}

std::vector<uint64_t> local_colors(const Scope& s, Palette& p, Detail detail) {
  std::vector<uint64_t> out(s.size());
  for (uint32_t i = 0; i < s.size(); ++i) out[i] = p.local(s, i, detail);
  return out;
}

std::vector<uint64_t> forward_colors(const Scope& s, Palette& p, Detail detail,
                                     const std::vector<uint64_t>& local, const Anchors& anchors) {
  std::vector<uint64_t> out(s.size());
  for (uint32_t i = 0; i < s.size(); ++i)
    out[i] = hash_combine(local[i], operands_color(s, i, p, detail, anchors, out));
  return out;
}

std::vector<uint64_t> backward_colors(const Scope& s, const std::vector<uint64_t>& local,
                                      const Anchors& anchors) {
  std::vector<uint64_t> out(s.size());
  for (uint32_t i = static_cast<uint32_t>(s.size()); i-- > 0;)
    out[i] = hash_combine(local[i], readers_color(s, i, out, anchors));
  return out;
}

std::vector<uint64_t> ball_colors(const Scope& s, Palette& p, Detail detail,
                                  const std::vector<uint64_t>& local, const std::vector<uint64_t>& fixed,
                                  const Anchors& anchors, int radius) {
  const auto seen = [&](uint32_t i, uint64_t c) { return fixed[i] != 0 ? fixed[i] : c; };
  std::vector<uint64_t> now(s.size()), next(s.size());
  for (uint32_t i = 0; i < s.size(); ++i) now[i] = seen(i, local[i]);
  for (int r = 0; r < radius; ++r) {
    for (uint32_t i = 0; i < s.size(); ++i)
      next[i] = fixed[i] != 0 ? fixed[i]
                              : hash_combine(hash_combine(local[i], now[i]),
                                             hash_combine(operands_color(s, i, p, detail, anchors, now),
                                                          readers_color(s, i, now, anchors)));
    std::swap(now, next);
  }
  return now;
}

}  // namespace lathe::diff
