#include "passes/diff/scope.h"

#include "ir/core/walk.h"
#include "ir/ops/op_def.h"

namespace lathe::diff {

bool is_constant_node(const Model& m, NodeId n) {
  return m[n].type == "Constant" && m[n].out.size() == 1 && m[n].out[0] && m.constant(m[n].out[0]) != nullptr;
}

bool is_commutative(const Node& n) {
  if (n.in.size() != 2) return false;
  const OpDef* def = op_registry().find(n);
  return def != nullptr && def->commutative;
}

Scope::Scope(const Model& m, GraphId g) : m_(&m), g_(g) {
  for (NodeId n = m[g].first; n; n = m[n].next) {
    if (is_constant_node(m, n)) continue;
    number_[n] = static_cast<uint32_t>(nodes_.size());
    nodes_.push_back(n);
  }
  std::vector<uint32_t> reads(nodes_.size(), 0);
  for (const NodeId n : nodes_) {
    first_operand_.push_back(static_cast<uint32_t>(operands_.size()));
    const auto& in = m[n].in;
    for (size_t i = 0; i < in.size(); ++i) operands_.push_back(operand(in[i], static_cast<uint32_t>(i)));
    for (const GraphId s : m.subgraphs(n))
      for (const ValueId v : captures(m, s)) operands_.push_back(operand(v, kCapture));
  }
  first_operand_.push_back(static_cast<uint32_t>(operands_.size()));
  for (const ValueId v : m[m[g].ret].in)
    results_.push_back(operand(v, static_cast<uint32_t>(results_.size())));

  for (const auto* list : {&operands_, &results_})
    for (const Operand& o : *list)
      if (o.kind == Operand::Kind::node) ++reads[o.source];
  first_reader_.push_back(0);
  for (const uint32_t n : reads) first_reader_.push_back(first_reader_.back() + n);
  readers_.resize(first_reader_.back());
  std::vector<uint32_t> at(first_reader_.begin(), first_reader_.end() - 1);
  for (uint32_t i = 0; i < nodes_.size(); ++i)
    for (const Operand& o : operands(i))
      if (o.kind == Operand::Kind::node) readers_[at[o.source]++] = {i, o.slot, o.out};
  for (const Operand& o : results_)
    if (o.kind == Operand::Kind::node) readers_[at[o.source]++] = {kNone, o.slot, o.out};
}

Operand Scope::operand(ValueId v, uint32_t slot) const {
  Operand o;
  o.slot = slot;
  o.value = v;
  if (!v) return o;
  const Value& value = (*m_)[v];
  if (m_->constant(v) != nullptr || value.sparse != nullptr) {
    o.kind = Operand::Kind::constant;
  } else if (value.graph != g_ || !value.def) {
    o.kind = Operand::Kind::outer;
  } else if (value.def == (*m_)[g_].params) {
    o.kind = Operand::Kind::port;
    o.source = value.slot;
  } else {
    o.kind = Operand::Kind::node;
    o.source = number_.at(value.def);
    o.out = value.slot;
  }
  return o;
}

}  // namespace lathe::diff
