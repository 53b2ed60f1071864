// DequantizeLinear, op, QuantizeLinear  =>  one op on codes (QLinearConv, QLinearAdd, ...).
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ir/core/walk.h"
#include "passes/core/facts.h"
#include "passes/quant/int8/dynamic.h"
#include "passes/quant/static/placement.h"
#include "passes/quant/static/static.h"

namespace lathe {
namespace {

constexpr const char* kContrib = "com.microsoft";
// Both sides round the same number, in another order: one code of the output, at most two of 255.
constexpr double kTwoCodes = 2.0 / 255;

class ToOperators {
 public:
  explicit ToOperators(PassContext& ctx) : ctx_(ctx), m_(ctx.model) {}

  void run() {
    for (const GraphId g : nested_graphs(m_, m_.main()))
      for (const NodeId n : m_.nodes(g))
        if (!m_[n].erased && !ctx_.out_of_fuel()) convert_node(n);
  }

 private:
  NodeId decoder(ValueId v) const {
    const NodeId n = v ? m_[v].def : NodeId{};
    if (!n || !m_[n].is("DequantizeLinear") || m_[n].attrs.i("block_size", 0) != 0) return {};
    return n;
  }

  // What a DequantizeLinear decodes; a missing zero point becomes one of zeros.
  ByteOperand parts(Builder& b, NodeId dq) const {
    const Node& n = m_[dq];
    ByteOperand p{n.in[0], n.in[1], n.input(2)};
    if (!p.zero) {
      const Tensor* scale = m_.constant(p.scale);
      p.zero = b.constant(
          Tensor::make(m_[p.codes].type.dtype, scale != nullptr ? scale->dims : std::vector<int64_t>()),
          m_[p.codes].name + "_zero_point");
    }
    return p;
  }

  bool is_byte(ValueId v) const {
    const DType t = m_[v].type.dtype;
    return t == DType::U8 || t == DType::I8;
  }

  // What is decoded are bytes; a bias holds int32.
  bool on_bytes(const std::vector<NodeId>& read) const {
    constexpr size_t kBias = 2;
    for (size_t i = 0; i < read.size(); ++i)
      if (read[i] && i != kBias && !is_byte(m_[read[i]].in[0])) return false;
    return true;
  }

  bool has(const char* op) const { return ctx_.settings.target.has(kContrib, op, DType::F32); }

  void convert_node(NodeId n) {
    const Node node = m_[n];
    const bool attention = node.is("Attention", kContrib);
    if ((!node.domain.empty() && !attention) || node.in.empty() || !node.output(0)) return;
    std::vector<NodeId> read;
    for (const ValueId v : node.in) read.push_back(decoder(v));
    if (!read[0] || !on_bytes(read)) return;
    NodeId q;  // the QuantizeLinear that alone reads the result
    if (!attention && used_once(m_, node.out[0])) {
      const Use u = m_[node.out[0]].uses[0];
      if (m_[u.node].is("QuantizeLinear") && u.slot == 0 && m_[u.node].parent == node.parent &&
          is_byte(m_[u.node].out[0]))
        q = u.node;
    }
    Builder b(m_, ctx_.values, n);
    const NodeId bias = q || read.size() < 2 || !read[1] ? NodeId{} : bias_behind(m_, n, channels(read[1]));
    const ValueId y = q           ? on_codes(b, node, read, Node(m_[q]))
                      : attention ? attention_on_codes(b, n, read)
                                  : to_float(b, node, read, bias);
    if (!y) return b.discard();
    const NodeId last = q ? q : bias ? bias : n;
    std::vector<NodeId> context, taken = {n};
    for (const NodeId r : read)
      if (r) context.push_back(r);
    if (last != n) taken.push_back(last);
    const ValueId old = m_[last].out[0];
    ctx_.commit(b, {.rule = "static-operator",
                    .root = last,
                    .taken = taken,
                    .context = context,
                    .replace = {{old, y}},
                    .tolerance = kTwoCodes,
                    .what = fmt::format("{} became {}", node.type, m_[m_[y].def].type)});
  }

  int64_t channels(NodeId dq) const {
    const Tensor* codes = m_.constant(m_[dq].in[0]);
    return codes == nullptr || codes->rank() == 0 ? -1 : codes->dims.back();
  }

  static void append(std::vector<ValueId>& to, const ByteOperand& p) {
    to.insert(to.end(), {p.codes, p.scale, p.zero});
  }

  ValueId on_codes(Builder& b, const Node& n, const std::vector<NodeId>& read, const Node& q) {
    const ValueId ys = q.in[1], yz = q.input(2);
    if (!yz) return {};
    const bool all = std::all_of(read.begin(), read.end(), [](NodeId r) { return bool(r); });
    std::vector<ValueId> in;
    const auto each = [&](size_t count) {
      for (size_t i = 0; i < count; ++i) append(in, parts(b, read[i]));
    };
    if (n.is("Conv") && read.size() >= 2 && read[1]) {
      if (n.input(2) && (!read[2] || m_[m_[read[2]].in[0]].type.dtype != DType::I32)) return {};
      each(2);
      in.insert(in.end(), {ys, yz});
      if (n.input(2)) in.push_back(m_[read[2]].in[0]);
      return b.op("QLinearConv", in, n.attrs);
    }
    if (n.is("MatMul") && all) {
      each(2);
      in.insert(in.end(), {ys, yz});
      return b.op("QLinearMatMul", in);
    }
    if (n.is("Gemm")) return gemm(b, n, read, ys, yz);
    if ((n.is("Add") || n.is("Mul")) && all && has("QLinearAdd")) {
      each(2);
      in.insert(in.end(), {ys, yz});
      return b.op(n.is("Add") ? "QLinearAdd" : "QLinearMul", in, {}, kContrib);
    }
    if (n.is("Concat") && all && has("QLinearConcat")) {
      in = {ys, yz};
      each(read.size());
      return b.op("QLinearConcat", in, n.attrs, kContrib);
    }
    for (const char* type : {"GlobalAveragePool", "AveragePool", "Sigmoid", "LeakyRelu"}) {
      const std::string name = std::string("QLinear") + type;
      if (!n.is(type) || !has(name.c_str())) continue;
      each(1);
      in.insert(in.end(), {ys, yz});
      return b.op(name, in, n.attrs, kContrib);
    }
    return moved(b, n, read[0], q);
  }

  // The same scale on both sides: the op moves codes as it moves floats.
  ValueId moved(Builder& b, const Node& n, NodeId read, const Node& q) const {
    constexpr std::array kMoved = {"MaxPool", "Reshape",   "Flatten",      "Transpose",
                                   "Squeeze", "Unsqueeze", "DepthToSpace", "Slice"};
    const bool known = std::any_of(kMoved.begin(), kMoved.end(), [&](const char* t) { return n.is(t); });
    const auto same = [&](size_t i) {
      const Tensor *a = m_.constant(m_[read].in[i]), *c = m_.constant(q.in[i]);
      return a != nullptr && c != nullptr && same_content(*a, *c);
    };
    if (!known || m_[read].in.size() < 3 || !same(1) || !same(2)) return {};
    std::vector<ValueId> in = n.in;
    in[0] = m_[read].in[0];
    return b.op(n.type, in, n.attrs);
  }

  ValueId gemm(Builder& b, const Node& n, const std::vector<NodeId>& read, ValueId ys, ValueId yz) {
    if (read.size() < 2 || !read[1] || !has("QGemm")) return {};
    if (n.input(2) && (!read[2] || m_[m_[read[2]].in[0]].type.dtype != DType::I32)) return {};
    std::vector<ValueId> in;
    append(in, parts(b, read[0]));
    append(in, parts(b, read[1]));
    in.push_back(n.input(2) ? m_[read[2]].in[0] : ValueId{});
    if (ys) in.insert(in.end(), {ys, yz});
    Attrs a = n.attrs;
    a.erase("beta");
    return b.op("QGemm", in, std::move(a), kContrib);
  }

  ValueId attention_on_codes(Builder& b, NodeId n, const std::vector<NodeId>& read) {
    const Tensor* w = read[1] ? m_.constant(m_[read[1]].in[0]) : nullptr;
    if (w == nullptr || !attention_refusal(ctx_, n, w).empty()) return {};
    return q_attention(b, Node(m_[n]), parts(b, read[0]), parts(b, read[1]), m_[n].in[2]);
  }

  // The result stays float. `bias` is the node that adds it; or none.
  ValueId to_float(Builder& b, const Node& n, const std::vector<NodeId>& read, NodeId bias) {
    if (n.is("Gemm")) return gemm(b, n, read, {}, {});
    if (!n.is("MatMul") || !read[1] || !has("MatMulIntegerToFloat")) return {};
    const ByteOperand x = parts(b, read[0]), w = parts(b, read[1]);
    std::vector<ValueId> in = {x.codes, w.codes, x.scale, w.scale, x.zero, w.zero};
    if (bias) in.push_back(m_[bias].in[1 - m_[n.out[0]].uses[0].slot]);
    return b.op("MatMulIntegerToFloat", std::move(in), {}, kContrib);
  }

  PassContext& ctx_;
  Model& m_;
};

}  // namespace

void to_operators(PassContext& ctx) { ToOperators(ctx).run(); }

}  // namespace lathe
