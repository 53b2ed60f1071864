// Constant factors around a product, and transposes of its operands.
//   y = Mul (MatMul (Div (a, 8), Transpose <perm = [0, 1, 3, 2]> (b)), c)
//   =>  y = FusedMatMul <alpha = c / 8, transB = 1> (a, b)
#include <fmt/format.h>

#include "passes/all_passes.h"
#include "passes/fusion/common.h"
#include "passes/fusion/layout.h"

namespace lathe {
namespace {

constexpr std::string_view kMs = "com.microsoft";

class MatMulScale {
 public:
  MatMulScale(PassContext& c, NodeId n) : c_(c), m_(c.model), product_(n), root_(n), taken_{n} {}

  void run() {
    operands_[0] = m_[product_].in[0];
    operands_[1] = m_[product_].in[1];
    for (size_t i = 0; i < 2; ++i) peel(i);
    ValueId y = m_[product_].out[0];
    while (single_use(m_, y)) {
      const NodeId next = m_[y].uses[0].node;
      const auto s = scaling(m_, next);
      if (!s || s->x != y || m_[next].parent != m_[product_].parent) break;
      alpha_ *= s->factor;
      taken_.push_back(next);
      root_ = next;
      y = m_[next].out[0];
    }
    if (taken_.size() == 1) {
      for (const Use& u : m_[y].uses)
        if (const auto s = scaling(m_, u.node); s && s->x == y && near_miss_.empty())
          near_miss_ = other_use(m_, y, {u.node});
      if (!near_miss_.empty()) c_.missed("matmul-scale", product_, near_miss_);
      return;
    }
    const DType dtype = m_[y].type.dtype;
    if (const Refusal why = needs_kernel(c_.settings.target, kMs, "FusedMatMul", dtype))
      return c_.missed("matmul-scale", product_, *why);
    Builder b(m_, c_.values, root_);
    Attrs a;
    if (alpha_ != 1) a.set("alpha", static_cast<float>(alpha_));
    if (transposed_[0]) a.set("transA", int64_t{1});
    if (transposed_[1]) a.set("transB", int64_t{1});
    const ValueId fused = b.op("FusedMatMul", {operands_[0], operands_[1]}, std::move(a), kMs);
    c_.commit(b, {.rule = "matmul-scale", .root = root_, .taken = taken_, .replace = {{y, fused}}});
  }

 private:
  // Factors and one transpose of the last two axes of operand i.
  void peel(size_t i) {
    ValueId& v = operands_[i];
    while (m_[v].def && !m_.is_hidden(m_[v].def) && m_[m_[v].def].parent == m_[product_].parent) {
      const NodeId n = m_[v].def;
      const auto s = scaling(m_, n);
      if (!single_use(m_, v)) {
        if (s || swaps_last_axes(n)) near_miss_ = other_use(m_, v, {taken_.back()});
        break;
      }
      if (s) {
        alpha_ *= s->factor;
        v = s->x;
      } else if (!transposed_[i] && swaps_last_axes(n)) {
        transposed_[i] = true;
        v = m_[n].in[0];
      } else {
        break;
      }
      taken_.push_back(n);
    }
  }

  bool swaps_last_axes(NodeId n) const {
    if (!m_[n].is("Transpose") || m_[m_[n].in[0]].type.rank() < 2) return false;
    const auto rank = static_cast<size_t>(m_[m_[n].in[0]].type.rank());
    const auto perm = m_[n].attrs.ints("perm");
    if (perm.empty()) return rank == 2;
    if (perm.size() != rank) return false;
    for (size_t i = 0; i < rank; ++i) {
      const size_t want = i + 2 < rank ? i : i + 2 == rank ? rank - 1 : rank - 2;
      if (perm[i] != static_cast<int64_t>(want)) return false;
    }
    return true;
  }

  PassContext& c_;
  Model& m_;
  NodeId product_, root_;
  std::vector<NodeId> taken_;
  ValueId operands_[2];
  bool transposed_[2] = {false, false};
  std::string near_miss_;
  double alpha_ = 1;
};

}  // namespace

PassDef fuse_matmul_scale() {
  return {.name = "fuse-matmul-scale",
          .group = "fusion",
          .summary = "Fuse constant factors and transposes around MatMul into FusedMatMul",
          .run = [](PassContext& c, const PassOptions&) {
            for_each_fusable(c, {"MatMul"}, [&](NodeId n) { MatMulScale(c, n).run(); });
          }};
}

}  // namespace lathe
