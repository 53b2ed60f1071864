// Transposes that undo each other, add up, or move dims of size one alone.
//   Transpose (Transpose (x, p), q)                =>  Transpose (x, p[q])
//   Transpose (x [1, s, 64], [1, 0, 2])            =>  Reshape (x, [s, 1, 64])
//   Transpose (Relu (Transpose (x, p)), p^-1)      =>  Relu (x)
#include <algorithm>

#include "passes/all_passes.h"
#include "passes/core/facts.h"
#include "passes/core/sweep.h"
#include "passes/shape/reshape_target.h"

namespace lathe {
namespace {

// The permutation, the default one (reversal) spelled out; nullopt if the rank is not known or it is none.
std::optional<std::vector<int64_t>> perm_of(const Model& m, NodeId n) {
  std::vector<int64_t> perm = m[n].attrs.ints("perm");
  const Shape* x = shape_of(m, m[n].input(0));
  if (perm.empty()) {
    if (x == nullptr) return std::nullopt;
    for (size_t i = x->size(); i-- > 0;) perm.push_back(static_cast<int64_t>(i));
  }
  if (x != nullptr && x->size() != perm.size()) return std::nullopt;
  std::vector<int64_t> sorted = perm;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < sorted.size(); ++i)
    if (sorted[i] != static_cast<int64_t>(i)) return std::nullopt;
  return perm;
}

// What two transposes do together: result axis i is axis first[second[i]].
std::vector<int64_t> composed(const std::vector<int64_t>& first, const std::vector<int64_t>& second) {
  std::vector<int64_t> out;
  for (const int64_t i : second) out.push_back(first[static_cast<size_t>(i)]);
  return out;
}

bool is_identity(const std::vector<int64_t>& perm) { return std::is_sorted(perm.begin(), perm.end()); }

bool join(PassContext& ctx, NodeId n) {
  Model& m = ctx.model;
  const NodeId first = producer(m, m[n].input(0), "Transpose");
  if (!first) return false;
  const auto p = perm_of(m, first), q = perm_of(m, n);
  if (!p || !q || p->size() != q->size()) return false;
  const std::vector<int64_t> both = composed(*p, *q);
  Builder b(m, ctx.values, n);
  const ValueId x = m[first].in[0];
  const ValueId made = is_identity(both) ? x : b.op("Transpose", {x}, attrs({{"perm", both}}));
  return replace_node(ctx, "transpose-twice", b, n, {first}, made);
}

// The dims that are not one keep their order: no element moves.
bool to_reshape(PassContext& ctx, NodeId n) {
  Model& m = ctx.model;
  const auto perm = perm_of(m, n);
  const Shape *x = shape_of(m, m[n].input(0)), *y = shape_of(m, m[n].output(0));
  if (!perm || x == nullptr || y == nullptr) return false;
  int64_t last = -1;
  for (const int64_t axis : *perm) {
    if ((*x)[static_cast<size_t>(axis)].is_const(1)) continue;
    if (axis < last) return false;
    last = axis;
  }
  const auto target = reshape_target(*x, *y);
  if (!target) {
    ctx.missed("transpose-to-reshape", n, "moves dims of size one alone, but two other dims are symbolic");
    return false;
  }
  Builder b(m, ctx.values, n);
  const ValueId made = b.op("Reshape", {m[n].in[0], b.ints(*target, "shape")});
  return replace_node(ctx, "transpose-to-reshape", b, n, {}, made);
}

// An elementwise node that looks at one tensor; other operands must be single numbers. Returns its slot.
std::optional<size_t> elementwise_slot(const Model& m, const Node& n) {
  const OpDef* def = op_registry().find(n);
  if (def == nullptr || !def->elementwise || n.out.size() != 1 || !m.subgraphs(m[n.out[0]].def).empty())
    return std::nullopt;
  std::optional<size_t> slot;
  for (size_t i = 0; i < n.in.size(); ++i) {
    if (!n.in[i]) continue;
    const Tensor* t = m.constant(n.in[i]);
    if (t != nullptr && t->count() == 1 && t->rank() <= 1) continue;
    if (slot) return std::nullopt;
    slot = i;
  }
  return slot;
}

// Between two transposes that undo each other, elementwise nodes do not care about the order of axes.
bool cancel_around(PassContext& ctx, NodeId n) {
  Model& m = ctx.model;
  constexpr size_t kMaxChain = 8;
  std::vector<std::pair<NodeId, size_t>> chain;  // from the last transpose upwards
  ValueId v = m[n].input(0);
  NodeId first;
  while (v && chain.size() < kMaxChain) {
    const NodeId def = m[v].def;
    if (!def || m.is_hidden(def) || m[def].parent != m[n].parent || !used_once(m, v)) return false;
    if (m[def].is("Transpose")) {
      first = def;
      break;
    }
    const auto slot = elementwise_slot(m, m[def]);
    if (!slot) return false;
    chain.emplace_back(def, *slot);
    v = m[def].in[*slot];
  }
  if (!first || chain.empty()) return false;
  const auto p = perm_of(m, first), q = perm_of(m, n);
  if (!p || !q || p->size() != q->size() || !is_identity(composed(*p, *q))) return false;
  Builder b(m, ctx.values, n);
  std::vector<NodeId> taken{first};
  Exactness exactness = Exactness::bitwise;
  ValueId made = m[first].in[0];
  for (auto it = chain.rbegin(); it != chain.rend(); ++it) {
    const Node& old = m[it->first];
    const std::string type = old.type, domain = old.domain;
    std::vector<ValueId> in = old.in;
    in[it->second] = made;
    Attrs same = old.attrs;
    if (op_registry().find(old)->exactness != Exactness::bitwise) exactness = Exactness::rounding;
    made = b.op(type, std::move(in), std::move(same), domain);
    taken.push_back(it->first);
  }
  return replace_node(ctx, "transpose-around-elementwise", b, n, std::move(taken), made, exactness);
}

}  // namespace

PassDef simplify_transpose() {
  return {.name = "simplify-transpose",
          .group = "shape",
          .summary = "Join or cancel Transposes; those that move dims of size one become Reshapes",
          .run = [](PassContext& ctx, const PassOptions&) {
            const std::vector<NodeRewrite> rewrites = {
                {"Transpose", join}, {"Transpose", to_reshape}, {"Transpose", cancel_around}};
            sweep(ctx, rewrites);
          }};
}

}  // namespace lathe
