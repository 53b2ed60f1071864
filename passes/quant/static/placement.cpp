#include "passes/quant/static/placement.h"

#include <algorithm>
#include <array>
#include <set>

#include "ir/core/walk.h"
#include "passes/core/addition.h"
#include "passes/core/facts.h"
#include "passes/quant/int8/dynamic.h"

namespace lathe {
namespace {

template <size_t N>
bool one_of(const Node& n, const std::array<const char*, N>& types) {
  return std::any_of(types.begin(), types.end(), [&](const char* t) { return n.is(t); });
}

constexpr std::array kPlain = {"Add",     "Mul",      "Concat", "AveragePool", "GlobalAveragePool",
                               "Sigmoid", "LeakyRelu"};
constexpr std::array kMoved = {"MaxPool", "Reshape",   "Flatten",      "Transpose",
                               "Squeeze", "Unsqueeze", "DepthToSpace", "Slice"};

bool float_value(const Model& m, ValueId v) {
  return v && m[v].type.is_tensor() && m[v].type.dtype == DType::F32;
}

class Placer {
 public:
  Placer(PassContext& ctx, const PlacementOptions& o) : ctx_(ctx), m_(ctx.model), o_(o) {}

  Placement run() {
    for (const GraphId g : nested_graphs(m_, m_.main()))
      for (const NodeId n : m_.nodes(g)) look(n);
    settle_outputs();
    drop_idle();
    for (const CodedNode& c : p_.nodes) {
      for (const size_t slot : c.inputs) want(m_[c.node].in[slot]);
      if (!c.output) continue;
      if (c.kind == CodedNode::Kind::moved)
        p_.same_as[c.result] = m_[c.node].in[0];
      else
        want(c.result);
    }
    return std::move(p_);
  }

 private:
  void want(ValueId v) {
    if (wanted_.insert(v).second) p_.values.push_back(v);
  }

  void look(NodeId n) {
    if (clamped_.contains(n)) return;
    const Node& node = m_[n];
    CodedNode c;
    c.node = n;
    c.result = node.output(0);
    if (!float_value(m_, c.result)) return;
    if (weighted(n, c) || plain(n, c)) {
      if (const std::string why = o_.keep(n); !why.empty()) {
        kept_.insert(c.result);
        return ctx_.missed("static", n, why);
      }
      take_clamp(c);
      at_[c.result] = p_.nodes.size();
      p_.nodes.push_back(std::move(c));
    }
  }

  bool weighted(NodeId n, CodedNode& c) const {
    const Node& node = m_[n];
    if (!float_value(m_, node.input(0)) || m_.constant(node.input(0)) != nullptr) return false;
    const Tensor* w = node.input(1) ? m_.constant(node.input(1)) : nullptr;
    if (w == nullptr || w->dtype != DType::F32 || w->count() == 0) return false;
    c.inputs = {0};
    if (node.is("Conv")) {
      c.output = true;
      return w->rank() >= 3;
    }
    if (node.is("Attention", "com.microsoft")) return o_.attention && attention_refusal(ctx_, n).empty();
    if (node.is("MatMul")) return w->rank() == 2 && m_[node.in[0]].type.rank() >= 2;
    return node.is("Gemm") && w->rank() == 2 && node.attrs.f("alpha", 1) == 1 &&
           node.attrs.f("beta", 1) == 1 && node.attrs.i("transA", 0) == 0;
  }

  bool plain(NodeId n, CodedNode& c) const {
    const Node& node = m_[n];
    const bool moved = one_of(node, kMoved);
    if (!moved && !one_of(node, kPlain)) return false;
    if (node.is("MaxPool") && node.output(1) && !m_[node.out[1]].uses.empty()) return false;
    c.kind = moved ? CodedNode::Kind::moved : CodedNode::Kind::plain;
    bool any = false;
    for (size_t i = 0; i < (moved ? 1 : node.in.size()); ++i) {
      if (!float_value(m_, node.in[i]) || m_.constant(node.in[i]) != nullptr) return false;
      // onnxruntime would quantize the weight of a Conv between DequantizeLinear and QuantizeLinear itself.
      if (kept_.contains(node.in[i])) return false;
      const auto known = at_.find(node.in[i]);
      any = any || (known != at_.end() && p_.nodes[known->second].output);
      c.inputs.push_back(i);
    }
    c.output = true;
    return any;
  }

  // A Relu, or a Clip from zero, that is all that reads the result.
  void take_clamp(CodedNode& c) {
    if (!o_.clamps || c.kind == CodedNode::Kind::moved || !used_once(m_, c.result)) return;
    const NodeId next = m_[c.result].uses[0].node;
    if (m_[c.result].uses[0].slot != 0 || m_[next].parent != m_[c.node].parent) return;
    const bool relu = m_[next].is("Relu");
    const bool clip = m_[next].is("Clip") && is_constant_number(m_, m_[next].input(1), 0);
    if (!relu && !clip) return;
    c.clamp = next;
    c.result = m_[next].output(0);
    clamped_.insert(next);
  }

  // A product's result is held by codes if all that read it want codes; a result that only leaves the graph
  // is not.
  void settle_outputs() {
    std::set<Use> read;
    for (const CodedNode& c : p_.nodes)
      for (const size_t slot : c.inputs) read.insert({c.node, static_cast<uint32_t>(slot)});
    for (CodedNode& c : p_.nodes) {
      const auto& uses = m_[c.result].uses;
      const bool all = !uses.empty() &&
                       std::all_of(uses.begin(), uses.end(), [&](const Use& u) { return read.contains(u); });
      if (c.kind == CodedNode::Kind::weighted && !m_[c.node].is("Conv")) c.output = all;
      const bool leaves =
          std::all_of(uses.begin(), uses.end(), [&](const Use& u) { return m_.is_hidden(u.node); });
      if (leaves || m_[c.node].is("Attention", "com.microsoft")) c.output = false;  // QAttention makes floats
      if (!c.output) c.clamp = {};
    }
  }

  // Plain nodes whose result is not held by codes have no kernel on codes.
  void drop_idle() {
    std::erase_if(p_.nodes,
                  [](const CodedNode& c) { return c.kind != CodedNode::Kind::weighted && !c.output; });
  }

  PassContext& ctx_;
  const Model& m_;
  const PlacementOptions& o_;
  Placement p_;
  std::map<ValueId, size_t> at_;  // result -> place in p_.nodes
  std::set<NodeId> clamped_;
  std::set<ValueId> kept_;
  std::set<ValueId> wanted_;
};

}  // namespace

Placement place_codes(PassContext& ctx, const PlacementOptions& options) {
  return Placer(ctx, options).run();
}

NodeId bias_behind(const Model& m, NodeId n, int64_t channels) {
  if (!m[n].is("MatMul") || !used_once(m, m[n].out[0])) return {};
  const Use u = m[m[n].out[0]].uses[0];
  if (!is_addition(m[u.node]) || m[u.node].parent != m[n].parent) return {};
  const Tensor* t = m.constant(m[u.node].in[1 - u.slot]);
  const bool vector = t != nullptr && t->dtype == DType::F32 && t->rank() == 1 && t->dims[0] == channels;
  return vector ? u.node : NodeId{};
}

}  // namespace lathe
