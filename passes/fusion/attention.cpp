// Scaled dot-product attention into one op of com.microsoft:
//   Attention (x, packed weights, packed biases, mask, -, bias)    if queries, keys and values are
//   projections
//                                                                  of one input by constants of their own
//   MultiHeadAttention (q, k, v, biases, mask, bias)               otherwise (cross attention, shared
//   weights)
// A padding mask goes in as it came into the model, integers of shape [batch, keys]; onnxruntime adds
// mask_filter_value where it is not positive. Such masks are taken to hold 0 and 1. Anything else that is
// added to the scores (relative positions, a causal mask) becomes attention_bias.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "passes/all_passes.h"
#include "passes/fusion/attention_match.h"
#include "passes/fusion/common.h"
#include "passes/fusion/elements.h"

namespace lathe {
namespace {

constexpr std::string_view kMs = "com.microsoft";

struct Projection {
  ValueId x, weight, bias;  // bias may be none
  NodeId product, add;
};

struct Masking {
  ValueId padding;         // integers [batch, keys]
  double filter = -10000;  // added where padding is 0
  std::vector<ValueId> biases;
  std::vector<NodeId> nodes;  // looked through
};

class AttentionFusion {
 public:
  AttentionFusion(PassContext& c, NodeId n) : c_(c), m_(c.model), n_(n) {}

  void run() {
    std::string why;
    auto core = match_attention(m_, n_, &why);
    if (!core) {
      if (!why.empty()) miss(why);
      return;
    }
    core_ = std::move(*core);
    if (!m_[n_].parent || m_[core_.root].parent != m_[n_].parent)
      return miss("it reaches into another graph");
    const DType dtype = m_[core_.out].type.dtype;
    if (!masking(&why)) return miss(why);
    for (const ValueId v : {core_.q, core_.k, core_.v})
      if (m_[v].type.dtype != dtype) return miss("queries, keys, values and result are of different types");
    const auto q = projection(core_.q), k = projection(core_.k), v = projection(core_.v);
    const bool packed = q && k && v && q->x == k->x && q->x == v->x && m_[q->x].type.rank() == 3 &&
                        owned(*q) && owned(*k) && owned(*v) && rows(*q) == rows(*k) && rows(*q) == rows(*v);
    if (const Refusal no =
            needs_kernel(c_.settings.target, kMs, packed ? "Attention" : "MultiHeadAttention", dtype))
      return miss(*no);

    Builder b(m_, c_.values, core_.root);
    Attrs a = attrs({{"num_heads", core_.heads}, {"scale", static_cast<float>(core_.scale)}});
    if (mask_.padding) a.set("mask_filter_value", static_cast<float>(mask_.filter));
    Patch patch{
        .rule = packed ? "attention" : "multi-head-attention", .root = core_.root, .taken = core_.nodes};
    ValueId y = packed ? attention(b, std::move(a), {*q, *k, *v}, patch)
                       : multi_head(b, std::move(a), {q, k, v}, patch);
    if (keeps_nan_guard()) {
      const ValueId zero = b.scalar(dtype, 0, "zero");
      y = b.op("Where", {b.op("IsNaN", {y}), zero, y});
    }
    patch.taken.insert(patch.taken.end(), mask_.nodes.begin(), mask_.nodes.end());
    patch.replace = {{core_.out, y}};
    c_.commit(b, std::move(patch));
  }

 private:
  void miss(const std::string& why) { c_.missed("attention", n_, why); }

  // Sorts what is added to the scores into one padding mask and biases.
  bool masking(std::string* why) {
    const auto no = [&](std::string text) {
      *why = std::move(text);
      return false;
    };
    for (const ScoreTerm& t : core_.terms) {
      ElementFormulas elements(m_, c_.values, {core_.batch, core_.heads, core_.queries, core_.keys});
      auto e = elements.element(t.value, positions(t.value));
      if (e && t.select) {
        const auto added = [&](double x) { return (x != 0) == t.when_true ? t.number : 0.0; };
        e->if0 = added(e->if0);
        e->if1 = added(e->if1);
        if (e->if0 == e->if1) e->mask = {};
      }
      if (e && !e->mask && e->if0 == 0) {
        mask_.nodes.insert(mask_.nodes.end(), elements.nodes().begin(), elements.nodes().end());
        continue;
      }
      if (e && e->mask && !mask_.padding && is_padding(*e, t.select)) {
        mask_.padding = e->mask;
        mask_.filter = e->if0;
        mask_.nodes.insert(mask_.nodes.end(), elements.nodes().begin(), elements.nodes().end());
        continue;
      }
      if (t.select)
        return no(fmt::format("'{}' is not a padding mask of shape [batch, keys]", m_[t.value].name));
      mask_.biases.push_back(t.value);
    }
    if (!m_[core_.out].type.is_tensor()) return no("the type of the result is not known");
    for (ValueId& v : mask_.biases) {
      v = without_expand(v);
      if (m_[v].type.dtype != m_[core_.out].type.dtype)
        return no("what is added to the scores is of another type");
    }
    if (mask_.biases.size() == 1 && !fits_bias(m_[mask_.biases[0]].type))
      return no(fmt::format(
          "'{}' of shape {} is no attention_bias of shape [batch or 1, heads or 1, queries, keys]",
          m_[mask_.biases[0]].name, m_[mask_.biases[0]].type.str()));
    if (mask_.biases.size() > 1) return no("two tensors are added to the scores");
    return true;
  }

  std::vector<Affine> positions(ValueId v) const {
    const Type& t = m_[v].type;
    std::vector<Affine> at;
    if (!t.shape || t.shape->size() > 4) return at;
    for (size_t i = 0; i < t.shape->size(); ++i) {
      const bool one = (*t.shape)[i].is_const(1);
      at.push_back(one ? Affine{Dim(0), {}} : variable(static_cast<int>(i + 4 - t.shape->size())));
    }
    return at;
  }

  bool is_padding(const Element& e, bool select) const {
    constexpr int kBatch = 0, kKey = 3;
    constexpr double kAbsorbs = -1e30;  // below this a float32 score leaves no trace in the sum
    const Type& t = m_[e.mask].type;
    if (t.rank() != 2 || e.if1 != 0 || !(e.if0 < 0) || (select && e.if0 > kAbsorbs)) return false;
    const auto reads = [&](size_t i, int id, Dim extent) {
      return (*t.shape)[i] == extent &&
             (e.at[i] == variable(id) || (extent.is_const(1) && e.at[i] == Affine{Dim(0), {}}));
    };
    return reads(0, kBatch, core_.batch) && reads(1, kKey, core_.keys);
  }

  // onnxruntime repeats a bias over the batch and the heads by itself.
  ValueId without_expand(ValueId v) const {
    const NodeId n = defined_by(m_, v, "Expand");
    return n && fits_bias(m_[m_[n].in[0]].type) ? m_[n].in[0] : v;
  }
  bool fits_bias(const Type& t) const {
    if (t.rank() != 4) return false;
    const Shape& s = *t.shape;
    return (s[0] == core_.batch || s[0].is_const(1)) && (s[1].is_const(core_.heads) || s[1].is_const(1)) &&
           s[2] == core_.queries && s[3] == core_.keys;
  }

  bool keeps_nan_guard() const {
    return core_.nan_guard && (std::isinf(mask_.filter) || !mask_.biases.empty());
  }

  // v = MatMul (x, weight) + bias with constant weight and bias, read by the attention alone.
  std::optional<Projection> projection(ValueId v) const {
    Projection p;
    const auto inside = [&](ValueId x) { return other_use(m_, x, core_.nodes).empty(); };
    if (!inside(v)) return std::nullopt;
    const auto width = last_dim(m_[v].type);
    if ((p.add = defined_by(m_, v, "Add"))) {
      const bool first = m_.constant(m_[p.add].in[0]) != nullptr;
      p.bias = m_[p.add].in[first ? 0 : 1];
      v = m_[p.add].in[first ? 1 : 0];
      if (m_.constant(p.bias) == nullptr || !is_last_axis_vector(m_, p.bias, *width) || !single_use(m_, v))
        return std::nullopt;
    }
    p.product = defined_by(m_, v, "MatMul");
    if (!p.product) return std::nullopt;
    p.x = m_[p.product].in[0];
    p.weight = m_[p.product].in[1];
    const Tensor* w = m_.constant(p.weight);
    if (w == nullptr || w->rank() != 2 || w->dims[1] != *width || bit_width(w->dtype) % 8 != 0 ||
        w->dtype != m_[core_.out].type.dtype)
      return std::nullopt;
    return p;
  }

  // Packing a weight that something else reads too would store it twice.
  int64_t rows(const Projection& p) const { return m_.constant(p.weight)->dims[0]; }
  bool owned(const Projection& p) const { return m_[p.weight].uses.size() == 1; }

  ValueId mask_input(Builder& b) const {
    if (!mask_.padding || m_[mask_.padding].type.dtype == DType::I32) return mask_.padding;
    return b.op("Cast", {mask_.padding}, attrs({{"to", static_cast<int64_t>(DType::I32)}}));
  }
  ValueId bias_input() const { return mask_.biases.empty() ? ValueId{} : mask_.biases[0]; }

  ValueId attention(Builder& b, Attrs a, std::vector<Projection> p, Patch& patch) {
    for (const Projection& x : p)
      for (const NodeId n : {x.product, x.add})
        if (n) patch.taken.push_back(n);
    if (core_.head != core_.value_head)
      a.set("qkv_hidden_sizes", std::vector<int64_t>{core_.heads * core_.head, core_.heads * core_.head,
                                                     core_.heads * core_.value_head});
    const ValueId w = b.constant(packed_weight(p), m_[p[0].weight].name + "_qkv");
    std::vector<ValueId> in{p[0].x,        w,  packed_bias(b, p[0].bias, p[1].bias, p[2].bias),
                            mask_input(b), {}, bias_input()};
    while (!in.back()) in.pop_back();
    return b.op("Attention", std::move(in), std::move(a), kMs);
  }

  ValueId multi_head(Builder& b, Attrs a, std::vector<std::optional<Projection>> p, Patch& patch) {
    std::vector<ValueId> in{core_.q, core_.k, core_.v};
    bool any_bias = false;
    for (const auto& x : p) any_bias = any_bias || (x && x->bias);
    const bool fold =
        any_bias && std::all_of(p.begin(), p.end(), [](const auto& x) { return x.has_value(); });
    if (fold) {
      for (size_t i = 0; i < 3; ++i)
        if (p[i]->add) {
          patch.taken.push_back(p[i]->add);
          in[i] = m_[p[i]->product].out[0];
        }
      in.push_back(packed_bias(b, p[0]->bias, p[1]->bias, p[2]->bias));
    } else {
      in.emplace_back();
    }
    in.push_back(mask_input(b));
    in.push_back(bias_input());
    while (!in.back()) in.pop_back();
    return b.op("MultiHeadAttention", std::move(in), std::move(a), kMs);
  }

  Tensor packed_weight(const std::vector<Projection>& p) const {
    int64_t columns = 0;
    for (const Projection& x : p) columns = checked_add(columns, m_.constant(x.weight)->dims[1]);
    const Tensor& first = *m_.constant(p[0].weight);
    const int64_t rows = first.dims[0];
    Tensor t = Tensor::uninitialized(first.dtype, {rows, columns});
    const auto item = static_cast<size_t>(bit_width(first.dtype)) / 8;
    std::byte* to = t.mutable_bytes().data();
    for (int64_t r = 0; r < rows; ++r)
      for (const Projection& x : p) {
        const Tensor& w = *m_.constant(x.weight);
        const size_t bytes = static_cast<size_t>(w.dims[1]) * item;
        std::memcpy(to, w.bytes().data() + static_cast<size_t>(r) * bytes, bytes);
        to += bytes;
      }
    return t;
  }

  ValueId packed_bias(Builder& b, ValueId q, ValueId k, ValueId v) const {
    const int64_t width[] = {core_.heads * core_.head, core_.heads * core_.head,
                             core_.heads * core_.value_head};
    const ValueId parts[] = {q, k, v};
    const DType dtype = m_[core_.out].type.dtype;
    Tensor t = Tensor::make(dtype, {width[0] + width[1] + width[2]});
    const auto item = static_cast<size_t>(bit_width(dtype)) / 8;
    std::byte* to = t.mutable_bytes().data();
    std::string name;
    for (size_t i = 0; i < 3; ++i) {
      const size_t bytes = static_cast<size_t>(width[i]) * item;
      if (parts[i]) {
        std::memcpy(to, m_.constant(parts[i])->bytes().data(), bytes);
        if (name.empty()) name = m_[parts[i]].name;
      }
      to += bytes;
    }
    return b.constant(std::move(t), (name.empty() ? "bias" : name) + "_qkv");
  }

  PassContext& c_;
  Model& m_;
  NodeId n_;
  AttentionCore core_;
  Masking mask_;
};

}  // namespace

PassDef fuse_attention() {
  return {
      .name = "fuse-attention",
      .group = "fusion",
      .summary =
          "Fuse scaled dot-product attention, its mask and projections into Attention or MultiHeadAttention",
      .run = [](PassContext& c, const PassOptions&) {
        for_each_fusable(
            c, {"MatMul", "Attention"}, [&](NodeId n) { AttentionFusion(c, n).run(); },
            true);  // later layers first: they read shapes that earlier ones compute
      }};
}

}  // namespace lathe
