// Attention: softmax of a product of two computed operands, times a third; or one op that is all of that.
#include <algorithm>
#include <array>
#include <optional>
#include <unordered_set>

#include "passes/analysis/role_units.h"
#include "passes/analysis/roles_match.h"
#include "passes/core/addition.h"

namespace lathe::roles {
namespace {

constexpr size_t kWalk = 256;

bool one_of(std::string_view t, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), t) != list.end();
}

struct Scores {
  NodeId product;
  std::vector<NodeId> path;     // between product and softmax
  std::vector<ValueId> beside;  // what is added or selected on the way: masks and biases
};

// From the softmax's operand back to the product.
std::optional<Scores> find_scores(const Model& m, ValueId v, int& budget) {
  const NodeId n = v ? m[v].def : NodeId{};
  if (!n || m.is_hidden(n) || --budget < 0) return std::nullopt;
  if (is_data_product(m, n)) return Scores{n, {}, {}};
  const Node& node = m[n];
  if (!one_of(node.type, {"Add", "Sum", "Sub", "Mul", "Div", "Where", "Cast", "Reshape", "Max", "Min", "Tanh",
                          "Identity", "Clip", "Squeeze", "Unsqueeze"}))
    return std::nullopt;
  for (size_t slot = 0; slot < node.in.size(); ++slot) {
    if (node.is("Where") ? slot == 0 : !is_data(m, node, slot)) continue;
    auto s = find_scores(m, node.in[slot], budget);
    if (!s) continue;
    s->path.push_back(n);
    for (size_t other = 0; other < node.in.size(); ++other)
      if (other != slot && node.in[other] && one_of(node.type, {"Add", "Sub", "Where", "Max", "Min", "Mul"}))
        s->beside.push_back(node.in[other]);
    return s;
  }
  return std::nullopt;
}

// From the softmax forward to the product with the values.
std::optional<std::vector<NodeId>> find_context(const Builder& b, NodeId softmax) {
  std::vector<NodeId> path;
  ValueId v = b.m[softmax].output(0);
  for (int steps = 0; steps < 8; ++steps) {
    NodeId next;
    for (const NodeId u : b.users(v)) {
      if (is_data_product(b.m, u)) {
        path.push_back(u);
        return path;
      }
      if (one_of(b.m[u].type,
                 {"Cast", "Dropout", "Where", "Mul", "Reshape", "Identity", "Unsqueeze", "Squeeze"}))
        next = u;
    }
    if (!next) return std::nullopt;
    path.push_back(next);
    v = b.m[next].output(0);
  }
  return std::nullopt;
}

bool passes_heads(const Model& m, NodeId n) {
  return is_layout(m[n]) || is_pointwise(m[n]) ||
         one_of(m[n].type, {"ReduceMean", "ReduceSumSquare", "Reciprocal", "RotaryEmbedding",
                            "RMSNormalization", "SimplifiedLayerNormalization", "LayerNormalization",
                            "LpNormalization", "SplitToSequence", "SequenceAt"});
}

// Looks at what a mask or bias is made of.
struct Besides {
  bool relative = false, causal = false;
  std::vector<NodeId> tables;
};

bool is_triangular(const Tensor& t) {
  const size_t r = t.dims.size();
  if (r < 2 || t.byte_size() == 0 || t.dtype == DType::String) return false;
  const int64_t rows = t.dims[r - 2], cols = t.dims[r - 1];
  if (rows != cols || rows < 3 || t.count() != rows * cols) return false;
  const double on = t.as_double(0), off = t.as_double(1);
  if (on == off) return false;
  for (const int64_t i : {int64_t{0}, int64_t{1}, rows / 2, rows - 1})
    for (const int64_t j : {int64_t{0}, int64_t{1}, rows / 2, rows - 1})
      if (t.as_double(i * cols + j) != (j <= i ? on : off)) return false;
  return true;
}

bool made_of_range(const Model& m, ValueId v) {
  std::vector<ValueId> work{v};
  std::unordered_set<ValueId> seen;
  for (size_t i = 0; i < work.size() && i < 48; ++i) {
    const NodeId n = work[i] ? m[work[i]].def : NodeId{};
    if (!n || m.is_hidden(n)) continue;
    if (m[n].is("Range") || m[n].is("CumSum")) return true;
    if (!is_layout(m[n]) && !is_pointwise(m[n])) continue;
    for (size_t slot = 0; slot < m[n].in.size(); ++slot)
      if (is_data(m, m[n], slot) && seen.insert(m[n].in[slot]).second) work.push_back(m[n].in[slot]);
  }
  return false;
}

void look_at(const Builder& b, ValueId start, Besides& out) {
  const Model& m = b.m;
  std::vector<ValueId> work{start};
  std::unordered_set<ValueId> seen{start};
  for (size_t i = 0; i < work.size() && i < kWalk; ++i) {
    if (const Tensor* t = m.constant(work[i])) {
      out.causal = out.causal || is_triangular(*t);
      continue;
    }
    const NodeId n = work[i] ? m[work[i]].def : NodeId{};
    if (!n || m.is_hidden(n) || is_projection(m, n) || is_data_product(m, n) || m[n].is("Softmax")) continue;
    const Node& node = m[n];
    if (node.is("Shape") || node.is("Size")) continue;
    if (node.is("Trilu")) out.causal = true;
    if (one_of(node.type, {"Less", "LessOrEqual", "Greater", "GreaterOrEqual"}) &&
        made_of_range(m, node.in[0]) && made_of_range(m, node.in[1]))
      out.causal = true;
    if (node.is("Gather") && m.constant(node.in[0]) != nullptr && is_floating(m[node.in[0]].type.dtype) &&
        m[node.in[0]].type.rank() == 2) {
      out.relative = true;
      out.tables.push_back(n);
    }
    for (const ValueId v : node.in)
      if (v && seen.insert(v).second) work.push_back(v);
  }
}

class Finder {
 public:
  explicit Finder(Builder& b) : b_(b), m_(b.m) {}

  void run() {
    for (const NodeId n : b_.order) {
      if (m_[n].type == "Softmax")
        unfused(n);
      else if (is_fused(m_[n]))
        fused(n);
    }
  }

 private:
  static bool is_fused(const Node& n) {
    return one_of(n.type,
                  {"Attention", "MultiHeadAttention", "GroupQueryAttention", "QAttention", "PackedAttention",
                   "PackedMultiHeadAttention", "DecoderMaskedMultiHeadAttention", "SparseAttention"});
  }

  void unfused(NodeId softmax) {
    int budget = 64;
    const auto scores = find_scores(m_, m_[softmax].input(0), budget);
    const auto context = find_context(b_, softmax);
    if (!scores || !context) return;
    Unit u;
    u.role = Role::attention;
    u.nodes = {softmax, scores->product};
    u.nodes.insert(u.nodes.end(), scores->path.begin(), scores->path.end());
    u.nodes.insert(u.nodes.end(), context->begin(), context->end());
    parts_.clear();
    const Node &qk = m_[scores->product], &pv = m_[context->back()];
    const ValueId weights_from =
        context->size() > 1 ? m_[(*context)[context->size() - 2]].output(0) : m_[softmax].output(0);
    const ValueId values = pv.in[0] == weights_from ? pv.in[1] : pv.in[0];
    if (const auto& s = m_[qk.in[0]].type.shape; s && !s->empty())
      u.head_size = s->back().constant().value_or(0);
    if (const auto& s = m_[m_[softmax].in[0]].type.shape; s && s->size() == 4)
      u.heads = (*s)[1].constant().value_or(0);
    const NodeId q = operand(u, qk.in[0]), k = operand(u, qk.in[1]), v = operand(u, values);
    projections(u, q, k, v);
    output(u, pv.output(0));
    Besides beside;
    for (const ValueId x : scores->beside) look_at(b_, x, beside);
    u.causal = beside.causal;
    u.relative_bias = beside.relative;
    for (const NodeId t : beside.tables) b_.mark(t, Role::attention);
    b_.add(std::move(u), parts_);
  }

  void fused(NodeId n) {
    const Node& node = m_[n];
    Unit u;
    u.role = Role::attention;
    u.fused = true;
    u.nodes = {n};
    parts_.clear();
    const Attrs& a = node.attrs;
    u.heads = a.i("num_heads", a.i("q_num_heads", 0));
    u.kv_heads = a.i("kv_num_heads", 0);
    if (node.domain.empty() && u.heads == 0)  // heads are an axis of the operands
      if (const auto& s = m_[node.in[0]].type.shape; s && s->size() == 4)
        u.heads = (*s)[1].constant().value_or(0);
    if (const auto& s = m_[node.out[0]].type.shape; s && !s->empty() && u.heads > 0) {
      const int64_t last = s->back().constant().value_or(0);
      u.head_size = s->size() == 4 ? last : last / u.heads;
    }
    u.causal =
        a.i("unidirectional", 0) != 0 || a.i("is_causal", 0) != 0 || node.type == "GroupQueryAttention";
    u.rotary = a.i("do_rotary", 0) != 0;
    const bool own_weights = (node.type == "Attention" && node.domain == "com.microsoft") ||
                             node.type == "QAttention" || node.type == "PackedAttention";
    if (own_weights) {
      parts_.emplace_back(n, Part::qkv);
    } else {
      const NodeId q = operand(u, node.input(0)), k = operand(u, node.input(1)),
                   v = operand(u, node.input(2));
      projections(u, q, k, v);
    }
    if (u.kv_heads == 0) u.kv_heads = u.heads;
    output(u, node.output(0));
    Besides beside;
    for (size_t slot = 3; slot < node.in.size(); ++slot)
      if (node.in[slot]) look_at(b_, node.in[slot], beside);
    u.relative_bias = beside.relative;
    u.causal = u.causal || beside.causal;
    for (const NodeId t : beside.tables) b_.mark(t, Role::attention);
    b_.add(std::move(u), parts_);
  }

  // Everything between an operand and its projection, which is returned (none: there is not exactly one).
  NodeId operand(Unit& u, ValueId v) {
    const Cone c = cone(
        m_, v, [&](NodeId n) { return passes_heads(m_, n); },
        [&](NodeId n) { return is_projection(m_, n) || is_data_product(m_, n) || m_[n].type == "Softmax"; });
    std::vector<NodeId> found;
    for (const NodeId n : c.stops)
      if (is_projection(m_, n)) found.push_back(n);
    if (!c.whole || found.size() != 1) return {};
    bool neg = false, concat = false;
    for (const NodeId n : c.inner) {
      neg = neg || m_[n].is("Neg");
      concat = concat || m_[n].is("Concat");
      u.rotary = u.rotary || m_[n].type == "RotaryEmbedding";
    }
    u.rotary = u.rotary || (neg && concat);
    u.nodes.insert(u.nodes.end(), c.inner.begin(), c.inner.end());
    u.nodes.push_back(found[0]);
    return found[0];
  }

  void projections(Unit& u, NodeId q, NodeId k, NodeId v) {
    const auto width = [&](NodeId n) { return n ? projection_width(m_, n) : 0; };
    if (q && q == k) {
      parts_.emplace_back(q, Part::qkv);
      if (u.head_size > 0 && u.kv_heads == 0 && u.heads > 0)
        u.kv_heads = (width(q) / u.head_size - u.heads) / 2;
    } else {
      if (q) parts_.emplace_back(q, Part::query);
      if (k) parts_.emplace_back(k, k == v ? Part::qkv : Part::key);
      if (v && v != k) parts_.emplace_back(v, Part::value);
      if (u.head_size > 0 && u.heads == 0) u.heads = width(q) / u.head_size;
      if (u.head_size > 0 && u.kv_heads == 0) u.kv_heads = width(k) / u.head_size;
    }
    if (q && k && q != k) u.cross = source(q) != source(k);
  }

  // What a projection reads, behind conversions.
  ValueId source(NodeId n) const {
    ValueId v = m_[n].in[0];
    for (int i = 0; i < 4 && v && m_[v].def && !m_.is_hidden(m_[v].def) &&
                    one_of(m_[m_[v].def].type, {"Cast", "Reshape", "Identity"});
         ++i)
      v = m_[m_[v].def].input(0);
    return v;
  }

  void output(Unit& u, ValueId v) {
    std::vector<NodeId> path;
    for (int steps = 0; steps < 10 && v; ++steps) {
      NodeId next;
      for (const NodeId n : b_.users(v)) {
        if (is_projection(m_, n)) {
          u.nodes.insert(u.nodes.end(), path.begin(), path.end());
          u.nodes.push_back(n);
          parts_.emplace_back(n, Part::output);
          for (const NodeId bias : b_.users(m_[n].output(0)))
            if (is_addition(m_[bias]) && (is_weight(m_, m_[bias].in[0]) || is_weight(m_, m_[bias].in[1])))
              u.nodes.push_back(bias);
          return;
        }
        if (is_layout(m_[n]) || m_[n].is("Mul")) next = n;
      }
      if (!next) return;
      path.push_back(next);
      v = m_[next].output(0);
    }
  }

  Builder& b_;
  const Model& m_;
  std::vector<std::pair<NodeId, Part>> parts_;
};

}  // namespace

void find_attention(Builder& b) { Finder(b).run(); }

}  // namespace lathe::roles
