#include "passes/quant/static/static.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "ir/ops/convert.h"
#include "ir/ops/quant/affine.h"
#include "passes/core/erase_unused.h"
#include "passes/core/facts.h"
#include "passes/core/remark.h"
#include "passes/quant/channels.h"
#include "passes/quant/int8/dynamic.h"
#include "passes/quant/static/codes.h"
#include "passes/quant/static/placement.h"

namespace lathe {
namespace {

// A step of 1/127 of the range of each output channel of the weight, averaged over what is summed, and the
// correction, made for other inputs than the check's.
constexpr double kPatchTolerance = 0.25;

// QAttention, onnxruntime's only op on codes of that kind, reads uint8.
bool takes_attention(const StaticOptions& o) { return o.operators && o.activations == DType::U8; }

class Static {
 public:
  Static(PassContext& ctx, const StaticOptions& o) : ctx_(ctx), m_(ctx.model), o_(o) {}

  void run() {
    Placement p = place_codes(ctx_, {.keep = o_.keep,
                                     .clamps = !o_.symmetric && is_integer(o_.activations),
                                     .attention = takes_attention(o_)});
    if (p.nodes.empty()) return;
    CalibrationOptions c;
    if (!o_.data.empty()) c.data = o_.data;
    c.seed = ctx_.settings.seed;
    RangeOptions ranges = o_.ranges;
    ranges.levels = code_count(o_.activations);
    for (const auto& [v, r] : tensor_ranges(m_, ctx_.values, p.values, c, ranges))
      codes_[v] = codes_of(r, o_.activations, o_.symmetric);
    for (const CodedNode& n : p.nodes)  // in order: what is moved knows what it moves
      if (const auto it = p.same_as.find(n.result); it != p.same_as.end() && codes_.contains(it->second))
        codes_[n.result] = codes_.at(it->second);
    if (o_.correct) gather(p, c);
    for (CodedNode& n : p.nodes)
      if (!ctx_.out_of_fuel()) rewrite(n);
    erase_unused(m_, originals_);
  }

 private:
  int64_t version() const {
    return o_.activations == DType::U16 || o_.activations == DType::I16 ? 21
           : o_.activations == DType::F8E4M3FN                          ? 19
                                                                        : 13;
  }

  // What a value was when it was calibrated.
  ValueId before(ValueId v) const {
    for (auto it = was_.find(v); it != was_.end(); it = was_.find(v)) v = it->second;
    return v;
  }
  const Codes* codes(ValueId v) const {
    const auto it = codes_.find(before(v));
    return it == codes_.end() ? nullptr : &it->second;
  }

  // Means of the channels of what weights are multiplied with, as they are and as codes.
  void gather(const Placement& p, const CalibrationOptions& c) {
    std::map<ValueId, int64_t> axes;
    for (const CodedNode& n : p.nodes)
      if (n.kind == CodedNode::Kind::weighted && codes(m_[n.node].in[0]) != nullptr)
        axes[m_[n.node].in[0]] = m_[n.node].is("Conv") ? 1 : -1;
    if (axes.empty()) return;
    means_ = channel_stats(m_, ctx_.values, axes, c, [&](ValueId v, const Tensor& x) {
      const Codes& k = codes_.at(v);
      return dequantize(quantize(x, k.scale, &k.zero, o_.activations, {}), k.scale, &k.zero, DType::F32, {});
    });
  }

  void rewrite(CodedNode& c) {
    for (const size_t slot : c.inputs)
      if (codes(m_[c.node].in[slot]) == nullptr)
        return ctx_.missed("static", c.node,
                           fmt::format("calibration did not see '{}'", m_[m_[c.node].in[slot]].name));
    if (c.kind == CodedNode::Kind::weighted && !weigh(c)) return;
    for (const size_t slot : c.inputs) read_codes(c, slot);
    const ValueId result = c.clamp ? m_[c.clamp].out[0] : m_[c.node].out[0];
    if (c.output && codes(result) != nullptr) write_codes(c, result);
  }

  // The node again, its weight (and bias) behind DequantizeLinear. False: it stays.
  bool weigh(CodedNode& c) {
    const Node n = m_[c.node];
    const ValueId w = n.in[1], bias = n.input(2);
    const Tensor& t = *m_.constant(w);
    const int64_t axis = n.is("Conv") || n.attrs.i("transB", 0) != 0 ? 0 : t.rank() - 1;
    const Tensor* old_bias = bias ? m_.constant(bias) : nullptr;
    Builder b(m_, ctx_.values, c.node);
    b.require_opset("", version());
    const Key key(t.bytes().data(), axis, m_[c.node].parent);
    const bool known = held_.contains(key);
    try {
      if (!known) held_[key] = hold(b, t, axis, std::string(m_[w].name));
    } catch (const Error& e) {
      ctx_.missed("static", c.node, fmt::format("'{}': {}", m_[w].name, e.what()));
      return false;
    }
    const HeldWeight& stored = held_.at(key);
    const CodedWeight& q = stored.weight;
    std::vector<ValueId> in = n.in;
    in[1] = decoded(b, stored.values, q.scales.rank() > 0, axis);
    const int64_t channels = t.dims[static_cast<size_t>(axis)];
    const bool whole = old_bias != nullptr && old_bias->rank() == 1 && old_bias->dims[0] == channels;
    std::vector<double> lost(static_cast<size_t>(channels));
    const bool corrects = correction(n, t, q, axis, lost);
    ValueId held, vector;  // the constant that holds the bias, and the bias as it was
    CodedBias coded;
    if (!n.is("MatMul") && (whole || (!bias && corrects))) {
      const std::string name = bias ? m_[bias].name : m_[w].name + "_bias";
      const Tensor zeros = Tensor::make(DType::F32, {channels});
      coded = bias_codes(n, whole ? *old_bias : zeros, lost, q);
      in.resize(std::max<size_t>(in.size(), 3));
      in[2] = coded.codes.defined()
                  ? decoded(b, constants(b, coded.codes, coded.scales, {}, name), coded.scales.rank() > 0, 0)
                  : b.constant(whole ? *old_bias : zeros, name + "_corrected");
      held = coded.codes.defined() ? m_[m_[in[2]].def].in[0] : in[2];
      vector = bias;
    }
    ValueId y = b.op(n.type, in, n.attrs, n.domain), old = n.out[0];
    const NodeId made = m_[y].def;
    std::vector<NodeId> taken = {c.node};
    if (const NodeId add = c.output ? NodeId{} : bias_behind(m_, c.node, channels); add && corrects) {
      vector = m_[add].in[1 - m_[old].uses[0].slot];  // a product's bias stands behind it
      held = b.constant(*m_.constant(vector), m_[vector].name + "_corrected");
      y = b.op(m_[add].type, {y, held});
      old = m_[add].out[0];
      taken.push_back(add);
    }
    if (!ctx_.commit(
            b, {.rule = "static-weight",
                .root = c.node,
                .taken = taken,
                .replace = {{old, y}},
                .tolerance = kPatchTolerance,
                .what = fmt::format("its weight is held by codes, relative error {:.4f}", q.rms_error)})) {
      if (!known) held_.erase(key);  // its constants went with the rewrite
      return false;
    }
    was_[y] = old;
    originals_.insert(originals_.end(), {w, vector});
    c.node = made;
    if (held && corrects) correct(c.node, held, coded, lost);
    return true;
  }

  // As int32, if activations are bytes and the corrected bias fits too.
  CodedBias bias_codes(const Node& n, const Tensor& bias, const std::vector<double>& lost,
                       const CodedWeight& q) const {
    if (!n.domain.empty() || !is_integer(o_.activations) || bit_width(o_.activations) != 8) return {};
    const double step = codes(n.in[0])->scale.as_double(0);
    return code_bias(plus(bias, lost), step, q.scales).codes.defined() ? code_bias(bias, step, q.scales)
                                                                       : CodedBias{};
  }

  static Tensor plus(const Tensor& bias, const std::vector<double>& lost) {
    Tensor sum = Tensor::uninitialized(DType::F32, bias.dims);
    for (size_t i = 0; i < lost.size(); ++i)
      sum.mutable_data<float>()[i] = static_cast<float>(bias.as_double(static_cast<int64_t>(i)) + lost[i]);
    return sum;
  }

  // After the check, which runs on activations that nothing has rounded.
  void correct(NodeId n, ValueId held, const CodedBias& coded, const std::vector<double>& lost) {
    if (!ctx_.spend("static-correction", node_label(m_, n), "the mean error of its output is in its bias"))
      return;
    const Tensor& now = *m_.constant(held);
    if (!coded.codes.defined()) return m_.set_constant(held, std::make_shared<const Tensor>(plus(now, lost)));
    Tensor sum = Tensor::uninitialized(DType::I32, now.dims);
    for (size_t i = 0; i < lost.size(); ++i) {
      const double step = coded.scales.as_double(coded.scales.count() == 1 ? 0 : static_cast<int64_t>(i));
      sum.mutable_data<int32_t>()[i] =
          static_cast<int32_t>(std::nearbyint(static_cast<double>(now.data<int32_t>()[i]) + lost[i] / step));
    }
    m_.set_constant(held, std::make_shared<const Tensor>(sum));
  }

  // A weight that several nodes read is held once a graph.
  using Key = std::tuple<const void*, int64_t, GraphId>;
  struct HeldWeight {
    CodedWeight weight;
    std::vector<ValueId> values;  // operands of DequantizeLinear
  };

  HeldWeight hold(Builder& b, const Tensor& t, int64_t axis, const std::string& name) const {
    CodedWeight q = code_weight(t, axis, o_.weights, o_.activations);
    std::vector<ValueId> values = constants(b, q.codes, q.scales, q.zero_points, name);
    return {std::move(q), std::move(values)};
  }

  static std::vector<ValueId> constants(Builder& b, const Tensor& codes, const Tensor& scales,
                                        const Tensor& zero_points, const std::string& name) {
    std::vector<ValueId> values = {b.constant(codes, name + "_quantized"),
                                   b.constant(scales, name + "_scale")};
    if (zero_points.defined()) values.push_back(b.constant(zero_points, name + "_zero_point"));
    return values;
  }

  // `many`: a scale for each along the axis.
  static ValueId decoded(Builder& b, const std::vector<ValueId>& values, bool many, int64_t axis) {
    return b.op("DequantizeLinear", values, many ? attrs({{"axis", axis}}) : Attrs{});
  }

  // Adds to the bias what rounding takes from the mean of each output. False where the means are not known.
  bool correction(const Node& n, const Tensor& w, const CodedWeight& q, int64_t axis,
                  std::vector<double>& sum) const {
    const auto it = means_.find(before(n.in[0]));
    if (it == means_.end()) return false;
    const ChannelStats& x = it->second;
    const Tensor a = convert(w.aligned(), DType::F32), c = decode_weight(q, axis);
    const bool conv = n.is("Conv");
    // Of element i: its output channel, and its input channel within the group.
    const int64_t outputs = static_cast<int64_t>(sum.size()), groups = conv ? n.attrs.i("group", 1) : 1;
    int64_t window = 1;
    for (int i = 2; i < w.rank(); ++i) window *= w.dims[static_cast<size_t>(i)];
    const int64_t inputs = conv ? w.dims[1] : w.dims[axis == 0 ? 1 : 0];
    if (groups < 1 || outputs % groups != 0 || x.k != inputs * groups) return false;
    for (int64_t i = 0; i < a.count(); ++i) {
      const int64_t rest = i / window;
      const int64_t o = axis == 0 ? rest / inputs : rest % outputs,
                    k = axis == 0 ? rest % inputs : rest / outputs;
      const auto from = static_cast<size_t>(o / (outputs / groups) * inputs + k);
      sum[static_cast<size_t>(o)] += x.mean[from] * a.data<float>()[static_cast<size_t>(i)] -
                                     x.rounded[from] * c.data<float>()[static_cast<size_t>(i)];
    }
    return true;
  }

  NodeId placed(std::string type, std::vector<ValueId> in, GraphId g, NodeId at, const std::string& name,
                DType t, const Type& like) {
    const NodeId n = m_.create("", std::move(type), std::move(in), {}, 1, m_.unique_name(name));
    m_.place(n, g, at);
    Type made = like;
    made.dtype = t;
    m_.set_type(m_[n].out[0], made);
    m_.set_name(m_[n].out[0], m_.unique_name(name + "_out"));
    return n;
  }

  // x as codes and back: the value that readers of codes take.
  ValueId coded(ValueId x, const Codes& k, GraphId g, NodeId at) {
    const std::string name = m_[x].name;
    const ValueId scale = m_.add_initializer(g, k.scale, m_.unique_name(name + "_scale")),
                  zero = m_.add_initializer(g, k.zero, m_.unique_name(name + "_zero_point"));
    const Type type = m_[x].type;
    const NodeId q =
        placed("QuantizeLinear", {x, scale, zero}, g, at, name + "_QuantizeLinear", o_.activations, type);
    const NodeId d = placed("DequantizeLinear", {m_[q].out[0], scale, zero}, g, at,
                            name + "_DequantizeLinear", DType::F32, type);
    m_.require_opset("", version() > 13 ? version() : 10);
    return m_[d].out[0];
  }

  void read_codes(const CodedNode& c, size_t slot) {
    const ValueId x = m_[c.node].in[slot];
    const GraphId g = m_[c.node].parent;
    if (decoded_.contains(x)) return;
    const auto known = readers_.find({x, g});
    if (known != readers_.end()) return m_.set_input(c.node, slot, known->second);
    if (!ctx_.spend("static-input", node_label(m_, c.node), fmt::format("'{}' is held by codes", m_[x].name)))
      return;
    const ValueId d = coded(x, *codes(x), g, c.node);
    readers_[{x, g}] = d;
    decoded_.insert(d);
    m_.set_input(c.node, slot, d);
  }

  void write_codes(const CodedNode& c, ValueId result) {
    if (!ctx_.spend("static-output", node_label(m_, c.node),
                    fmt::format("'{}' is held by codes", m_[result].name)))
      return;
    const Codes k = *codes(result);
    const ValueId raw = m_[c.node].out[0];
    const NodeId next = m_[c.node].next;
    const ValueId d = coded(raw, k, m_[c.node].parent, next);
    const NodeId q = m_[m_[d].def].in[0] ? m_[m_[m_[d].def].in[0]].def : NodeId{};
    m_.replace_uses(result, d);
    if (result == raw) m_.set_input(q, 0, raw);
    was_[d] = result;
    decoded_.insert(d);
    if (c.clamp) erase_dead(m_, {c.clamp});
  }

  PassContext& ctx_;
  Model& m_;
  const StaticOptions& o_;
  std::map<ValueId, Codes> codes_;  // by the value as calibrated
  std::map<ValueId, ChannelStats> means_;
  std::map<ValueId, ValueId> was_;
  std::map<std::pair<ValueId, GraphId>, ValueId> readers_;
  std::set<ValueId> decoded_;  // made by a DequantizeLinear of an activation
  std::map<Key, HeldWeight> held_;
  std::vector<ValueId> originals_;
};

}  // namespace

bool quantizes_attention(const PassContext& ctx, const StaticOptions& o, NodeId attention) {
  return takes_attention(o) && attention_refusal(ctx, attention).empty();
}

void quantize_static(PassContext& ctx, const StaticOptions& options) {
  Static(ctx, options).run();
  if (options.operators) to_operators(ctx);
}

}  // namespace lathe
