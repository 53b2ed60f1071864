#include "passes/fusion/attention_match.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ir/onnx/lift.h"
#include "passes/core/match.h"
#include "passes/fusion/common.h"

namespace lathe {
namespace {

// Orders of batch, sequence, head and feature that an operand may come in.
enum class Order : uint8_t { bnsh, bnhs };

class AttentionMatcher {
 public:
  AttentionMatcher(const Model& m, std::string* why) : m_(m), why_(why) {}

  std::optional<AttentionCore> run(NodeId n) {
    if (m_[n].is("Attention") ? !standard_op(n) : !product(n)) return std::nullopt;
    if (!output_chain(m_[n].out[0])) return std::nullopt;
    // Shapes of its own operands, which its Reshapes read, go with it.
    std::erase(core_.nodes, core_.root);
    core_.nodes = with_private_users(m_, std::move(core_.nodes));
    take(core_.root);
    for (const NodeId inner : core_.nodes) {
      if (inner == core_.root) continue;
      for (const ValueId v : m_[inner].out)
        if (v)
          if (const std::string use = other_use(m_, v, core_.nodes); !use.empty())
            return no(use), std::nullopt;
    }
    return std::move(core_);
  }

 private:
  bool no(std::string text) {
    if (why_ != nullptr) *why_ = std::move(text);
    return false;
  }
  void take(NodeId n) {
    if (std::find(core_.nodes.begin(), core_.nodes.end(), n) == core_.nodes.end()) core_.nodes.push_back(n);
  }
  NodeId def(ValueId v) const {
    const NodeId n = v ? m_[v].def : NodeId{};
    return n && !m_.is_hidden(n) && m_[n].domain.empty() && is_canonical(m_[n]) && m_[n].output(0) == v
               ? n
               : NodeId{};
  }

  // MatMul (Softmax (scores), v).
  bool product(NodeId pv) {
    ValueId p = m_[pv].in[0];
    NodeId softmax;
    for (int i = 0; i < 8 && !softmax; ++i) {
      const NodeId n = def(p);
      if (!n) return false;
      const Node& node = m_[n];
      if (node.is("Softmax")) {
        softmax = n;
      } else if (node.type == "Cast" || node.type == "Identity") {
        p = node.in[0];
      } else if (node.type == "Where") {
        const NodeId is_nan = def(node.in[0]);
        const Tensor* zero = m_.constant(node.in[1]);
        if (!is_nan || m_[is_nan].type != "IsNaN" || m_[is_nan].in[0] != node.in[2] || zero == nullptr ||
            !is_number(*zero, 0))
          return false;
        core_.nan_guard = true;
        take(is_nan);
        p = node.in[2];
      } else {
        return false;
      }
      take(n);
    }
    if (!softmax) return false;
    const int rank = m_[m_[softmax].out[0]].type.rank();
    const int64_t axis = m_[softmax].attrs.i("axis", -1);
    if (axis != -1 && axis != rank - 1) return no("the softmax is not over the last axis");
    take(pv);
    const NodeId qk = scores(m_[softmax].in[0]);
    if (!qk) return false;
    take(qk);
    return operands(m_[qk].in[0], m_[qk].in[1], Order::bnhs, m_[pv].in[1]);
  }

  bool standard_op(NodeId n) {
    const Node& node = m_[n];
    for (const size_t i : {4, 5, 6})
      if (node.input(i)) return no("Attention with a past or with padding lengths");
    for (const size_t i : {1, 2, 3})
      if (node.output(i)) return no("an optional output of Attention is used");
    if (node.attrs.i("is_causal", 0) != 0 || node.attrs.f("softcap", 0) != 0)
      return no("causal or soft-capped Attention");
    if (m_[node.in[0]].type.rank() != 4) return no("Attention on inputs that are not split into heads");
    if (node.input(3)) {
      ScoreTerm t;
      t.value = node.in[3];
      t.select = m_[t.value].type.dtype == DType::Bool;
      t.number = -HUGE_VAL;
      core_.terms.push_back(t);
      core_.nan_guard = t.select;  // the op gives 0 where nothing is visible
    }
    take(n);
    if (!operands(node.in[0], node.in[1], Order::bnsh, node.in[2])) return false;
    core_.scale *=
        node.attrs.has("scale") ? node.attrs.f("scale", 1) : 1 / std::sqrt(static_cast<double>(core_.head));
    return true;
  }

  // From the softmax back to the product of queries and keys.
  NodeId scores(ValueId s) {
    for (int i = 0; i < 16; ++i) {
      const NodeId n = def(s);
      if (!n) break;
      const Node& node = m_[n];
      if (node.type == "MatMul") return n;
      take(n);
      if (node.type == "Cast" || node.type == "Identity" || is_layout_op(node)) {
        s = node.in[0];
      } else if (const auto scaled = scaling(m_, n)) {
        core_.scale *= scaled->factor;
        s = scaled->x;
      } else if (node.type == "Add" && core_.scale == 1) {
        const bool first = reaches_product(node.in[0], 0);
        if (!first && !reaches_product(node.in[1], 0)) break;
        core_.terms.push_back({node.in[first ? 1 : 0]});
        s = node.in[first ? 0 : 1];
      } else if (node.type == "Where" && core_.scale == 1) {
        const Tensor *yes = m_.constant(node.in[1]), *otherwise = m_.constant(node.in[2]);
        const Tensor* number = yes != nullptr ? yes : otherwise;
        if (number == nullptr || number->count() != 1) break;
        core_.terms.push_back({node.in[0], true, yes != nullptr, number->as_double(0)});
        s = node.in[yes != nullptr ? 2 : 1];
      } else {
        break;
      }
    }
    no(fmt::format("the scores at '{}' are not a scaled and masked product", m_[s].name));
    return {};
  }

  bool reaches_product(ValueId s, int depth) const {
    const NodeId n = def(s);
    if (!n || depth > 8) return false;
    const Node& node = m_[n];
    if (node.type == "MatMul") return m_.constant(node.in[1]) == nullptr;
    if (const auto scaled = scaling(m_, n)) return reaches_product(scaled->x, depth + 1);
    if (node.type == "Cast" || node.type == "Identity" || is_layout_op(node))
      return reaches_product(node.in[0], depth + 1);
    if (node.type == "Add")
      return reaches_product(node.in[0], depth + 1) || reaches_product(node.in[1], depth + 1);
    if (node.type == "Where")
      return reaches_product(node.in[1], depth + 1) || reaches_product(node.in[2], depth + 1);
    return false;
  }

  bool operands(ValueId q, ValueId k, Order k_order, ValueId v) {
    const auto &qs = m_[q].type.shape, &ks = m_[k].type.shape, &vs = m_[v].type.shape;
    if (!qs || !ks || !vs || qs->size() < 3 || qs->size() > 4 || ks->size() != qs->size() ||
        vs->size() != qs->size())
      return no("the shapes of queries, keys and values are not known as split into heads");
    const auto head = qs->back().constant(), value_head = vs->back().constant();
    if (!head || !value_head || *head <= 0 || *value_head <= 0) return no("the head size is not constant");
    core_.head = *head;
    core_.value_head = *value_head;
    double q_scale = 1, k_scale = 1, v_scale = 1;
    core_.q = unsplit(q, Order::bnsh, core_.head, q_scale);
    core_.k = unsplit(k, k_order, core_.head, k_scale);
    core_.v = unsplit(v, Order::bnsh, core_.value_head, v_scale);
    if (!core_.q || !core_.k || !core_.v)
      return no(fmt::format("'{}' is not one axis split into heads", m_[!core_.q   ? q
                                                                        : !core_.k ? k
                                                                                   : v]
                                                                         .name));
    if (v_scale != 1) return no("the values are scaled");
    core_.scale *= q_scale * k_scale;
    core_.batch = (*m_[core_.q].type.shape)[0];
    core_.queries = (*m_[core_.q].type.shape)[1];
    core_.keys = (*m_[core_.k].type.shape)[1];
    const Shape& vt = *m_[core_.v].type.shape;
    if (!((*m_[core_.k].type.shape)[0] == core_.batch) || !(vt[0] == core_.batch) || !(vt[1] == core_.keys))
      return no("batch or length of queries, keys and values are not known to agree");
    return true;
  }

  // The earliest rank-3 value of which v is the split into heads; sets heads, takes the nodes between.
  ValueId unsplit(ValueId v, Order order, int64_t head, double& scale) {
    const Origin o = origin(m_, v);
    for (size_t i = o.values.size(); i-- > 1;) {
      const Type& t = m_[o.values[i]].type;
      const auto width = last_dim(t);
      if (t.rank() != 3 || !width || *width % head != 0) continue;
      const int64_t heads = *width / head;
      if (core_.heads != 0 && heads != core_.heads) continue;
      const auto l = layout_from(m_, o, i);
      if (!l || *l != split(*t.shape, heads, head, order, l->size() == 4)) continue;
      core_.heads = heads;
      scale = scale_from(o, i);
      for (size_t k = 0; k < i; ++k) take(o.nodes[k]);
      return o.values[i];
    }
    return {};
  }

  static Layout split(const Shape& shape, int64_t heads, int64_t head, Order order, bool separate) {
    using Axis = std::vector<Piece>;
    const auto axis = [](int a, Dim size, Dim inner) {
      return size.is_const(1) ? Axis{} : Axis{{a, size, inner}};
    };
    const Axis b = axis(0, shape[0], 1), s = axis(1, shape[1], 1), n = axis(2, heads, head),
               h = axis(2, head, 1);
    Layout l;
    if (separate) {
      l = {b, n};
    } else {
      l = {b};
      l[0].insert(l[0].end(), n.begin(), n.end());
    }
    l.push_back(order == Order::bnsh ? s : h);
    l.push_back(order == Order::bnsh ? h : s);
    return l;
  }

  // [batch, heads, queries, head] (or [batch * heads, ...]) to [batch, queries, heads * head].
  bool output_chain(ValueId v) {
    const auto& shape = m_[v].type.shape;
    if (!shape || shape->size() < 3 || shape->size() > 4) return no("the shape of the result is not known");
    std::optional<Layout> l = initial_layout(*shape);
    const bool separate = shape->size() == 4;
    const Layout want = merged(separate);
    for (int i = 0; i < 8; ++i) {
      if (m_[v].uses.size() != 1 || m_.is_hidden(m_[v].uses[0].node))
        return no(fmt::format("'{}' is used in more than one place", m_[v].name));
      const NodeId n = m_[v].uses[0].node;
      l = m_[v].uses[0].slot == 0 ? apply_layout(m_, n, *l) : std::nullopt;
      if (!l) return no(fmt::format("the heads are not put back together at '{}'", node_label(m_, n)));
      take(n);
      v = m_[n].out[0];
      if (*l == want) {
        core_.root = n;
        core_.out = v;
        return true;
      }
    }
    return no("the heads are not put back together");
  }

  Layout merged(bool separate) const {
    using Axis = std::vector<Piece>;
    const auto axis = [](int a, Dim size, Dim inner) {
      return size.is_const(1) ? Axis{} : Axis{{a, size, inner}};
    };
    Layout l = {axis(0, core_.batch, separate ? Dim(1) : Dim(core_.heads)),
                axis(separate ? 2 : 1, core_.queries, 1), axis(separate ? 1 : 0, core_.heads, 1)};
    const Axis h = axis(separate ? 3 : 2, core_.value_head, 1);
    l[2].insert(l[2].end(), h.begin(), h.end());
    return l;
  }

  const Model& m_;
  std::string* why_;
  AttentionCore core_;
};

}  // namespace

std::optional<AttentionCore> match_attention(const Model& m, NodeId n, std::string* why) {
  return AttentionMatcher(m, why).run(n);
}

}  // namespace lathe
