#include "passes/quant/int8/dynamic.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "ir/base/mapped_file.h"
#include "ir/core/spill.h"
#include "ir/ops/convert.h"
#include "ir/ops/quant/affine.h"
#include "passes/core/erase_unused.h"
#include "passes/quant/channels.h"
#include "passes/quant/int8/sites.h"

namespace lathe {
namespace {

constexpr const char* kContrib = "com.microsoft";

// Both sides differ by the rounding: a step of 1/255 of the range of the activations and of 1/127 (reduced:
// 1/64) of that of each column, which average out over K. A wrong layout gives an unrelated matrix.
constexpr double kPatchTolerance = 0.25;

struct Stored {
  ValueId codes, scales, zero_points;
  ByteWeight bytes;
};

class Dynamic {
 public:
  Dynamic(PassContext& ctx, const DynamicOptions& o) : ctx_(ctx), m_(ctx.model), o_(o) {}

  void run() {
    sites_ = find_byte_sites(m_);
    std::erase_if(sites_, [&](const WeightSite& s) { return !can(s); });
    drop_shared_with_float();
    for (const WeightSite& s : sites_) ++readers_[{s.input, m_[s.node].parent}];
    CalibrationOptions c;
    if (!o_.data.empty()) c.data = o_.data;
    if (o_.correct && !sites_.empty() && (c.data != "seeded" || reads_tokens(m_))) {
      std::map<ValueId, int64_t> wanted;
      for (const WeightSite& s : sites_) wanted[s.input] = -1;
      c.seed = ctx_.settings.seed;
      try {
        stats_ = channel_stats(m_, ctx_.values, wanted, c, [](ValueId, const Tensor& x) {
          const DynamicScale d = dynamic_scale(x);
          return dequantize(lathe::quantize(x, d.scale, &d.zero, DType::U8, {}), d.scale, &d.zero, DType::F32,
                            {});
        });
      } catch (const Error& e) {  // what nobody gave cannot be missed
        if (c.data != "seeded") throw;
        ctx_.missed("dynamic-correction", sites_.front().node, e.what());
      }
    }
    for (const WeightSite& s : sites_)
      if (!ctx_.out_of_fuel()) replace(s);
    erase_unused(m_, originals_);
  }

 private:
  bool contrib() const { return o_.form == DynamicForm::contrib; }

  bool can(const WeightSite& s) {
    const auto stay = [&](std::string why) {
      ctx_.missed("dynamic", s.node, std::move(why));
      return false;
    };
    if (std::string why = o_.keep(s); !why.empty()) return stay(std::move(why));
    const DType t = s.weight->dtype;
    if (t != DType::F32 && t != DType::F16 && t != DType::BF16)
      return stay(fmt::format("the weight is of type {}", onnx_name(t)));
    if (!s.refusal.empty()) return stay(s.refusal);
    if (s.weight->count() == 0) return stay("the weight is empty");
    if (contrib())
      for (const char* op : {"DynamicQuantizeMatMul", "MatMulIntegerToFloat"})
        if (!ctx_.settings.target.has(kContrib, op, DType::F32))
          return stay(fmt::format("target {} has no {}; use form=standard", ctx_.settings.target.name(), op));
    if (!is_attention(m_, s)) return true;
    if (!contrib()) return stay("QAttention is not standard");
    const std::string why = attention_refusal(ctx_, s.node);
    return why.empty() || stay(why);
  }

  // The constant behind a site's weight and, through its Transpose, what the node reads.
  void drop_shared_with_float() {
    const auto reads_in_float = [&](ValueId v) -> std::string {
      for (const Use& u : m_[v].uses) {
        const bool turned = m_[u.node].is("Transpose") && m_[u.node].output(0);
        std::vector<Use> ends = {u};
        if (turned) ends = m_[m_[u.node].out[0]].uses;
        for (const Use& e : ends) {
          const bool ours = std::any_of(sites_.begin(), sites_.end(),
                                        [&](const WeightSite& s) { return s.node == e.node && e.slot == 1; });
          if (ours || (m_[e.node].is("Gather") && e.slot == 0)) continue;  // a tied table has its own bytes
          return m_.is_hidden(e.node) ? "the graph's outputs" : node_label(m_, e.node);
        }
      }
      return {};
    };
    std::vector<NodeId> drop;
    for (const WeightSite& s : sites_)
      if (const std::string other = reads_in_float(s.stored); !other.empty()) {
        ctx_.missed("dynamic", s.node, fmt::format("'{}' also reads the weight and stays", other));
        drop.push_back(s.node);
      }
    std::erase_if(sites_, [&](const WeightSite& s) {
      return std::find(drop.begin(), drop.end(), s.node) != drop.end();
    });
  }

  using Key = std::tuple<const void*, bool, GraphId>;

  const Stored* quantize(Builder& b, const WeightSite& s, Key& key) {
    key = Key(s.weight->bytes().data(), s.transposed, m_[s.node].parent);
    if (const auto it = stored_.find(key); it != stored_.end()) return &it->second;
    const std::string name = m_[s.stored].name;
    Stored out;
    try {
      out.bytes = quantize_bytes(*s.weight, s.transposed, o_.format);
    } catch (const Error& e) {
      ctx_.missed("dynamic", s.node, fmt::format("'{}': {}", name, e.what()));
      return nullptr;
    }
    out.bytes.codes = spilled(out.bytes.codes);
    MappedFile::forget(s.weight->bytes());
    out.codes = b.constant(out.bytes.codes, name + "_quantized");
    out.scales = b.constant(out.bytes.scales, name + "_scale");
    if (!o_.format.is_signed || is_attention(m_, s))
      out.zero_points = b.constant(out.bytes.zero_points, name + "_zero_point");
    return &(stored_[key] = std::move(out));
  }

  // What rounding takes from the mean of each output; empty if that is not known.
  std::vector<double> lost(const WeightSite& s, const Stored& q) const {
    const auto it = stats_.find(s.input);
    if (it == stats_.end() || it->second.k != s.k()) return {};
    const ChannelStats& x = it->second;
    return lost_in_columns(*s.weight, s.transposed, q.bytes, x.mean, x.rounded);
  }

  // As float32, with something added; zeros where the site has none.
  Tensor bias(const WeightSite& s, const std::vector<double>& more) const {
    Tensor sum = Tensor::uninitialized(DType::F32, {s.n()});
    for (int64_t j = 0; j < s.n(); ++j) {
      const double had = s.bias ? m_.constant(s.bias)->as_double(j) : 0;
      sum.mutable_data<float>()[static_cast<size_t>(j)] =
          static_cast<float>(had + (more.empty() ? 0 : more[static_cast<size_t>(j)]));
    }
    return sum;
  }

  // What the site reads now: an earlier rewrite may have replaced what it read when it was found.
  ValueId input(const WeightSite& s) const { return m_[s.node].in[0]; }

  // One DynamicQuantizeLinear a value and graph; `context` names it where an earlier site has placed it.
  ByteOperand rounded(Builder& b, const WeightSite& s, std::vector<NodeId>& context) {
    const std::pair key{s.input, m_[s.node].parent};
    const auto it = rounded_.find(key);
    if (it != rounded_.end()) {
      for (NodeId n = m_[it->second.codes].def; n; n = cast_before(n)) context.push_back(n);
      return it->second;
    }
    const auto out = b.ops("DynamicQuantizeLinear", {as_float(b, input(s))}, {}, 3);
    return rounded_[key] = {out[0], out[1], out[2]};
  }
  NodeId cast_before(NodeId n) const {
    const NodeId before = m_[m_[n].in[0]].def;
    return m_[n].is("DynamicQuantizeLinear") && before && m_[before].is("Cast") ? before : NodeId{};
  }

  ValueId as_float(Builder& b, ValueId x) const {
    return m_[x].type.dtype == DType::F32
               ? x
               : b.op("Cast", {x}, attrs({{"to", static_cast<int64_t>(DType::F32)}}));
  }

  ValueId product(Builder& b, const WeightSite& s, const Stored& q, ValueId bias,
                  std::vector<NodeId>& context) {
    const DType t = s.weight->dtype;
    ValueId y;
    if (contrib() && readers_.at({s.input, m_[s.node].parent}) == 1) {
      std::vector<ValueId> in = {as_float(b, input(s)), q.codes, q.scales, q.zero_points, bias};
      while (!in.back()) in.pop_back();
      y = b.op("DynamicQuantizeMatMul", std::move(in), {}, kContrib);
    } else {
      const ByteOperand x = rounded(b, s, context);
      if (contrib()) {
        std::vector<ValueId> in = {x.codes, q.codes, x.scale, q.scales, x.zero, q.zero_points, bias};
        while (!in.back()) in.pop_back();
        y = b.op("MatMulIntegerToFloat", std::move(in), {}, kContrib);
      } else {
        std::vector<ValueId> in = {x.codes, q.codes, x.zero, q.zero_points};
        while (!in.back()) in.pop_back();
        y = b.op("Cast", {b.op("MatMulInteger", std::move(in))},
                 attrs({{"to", static_cast<int64_t>(DType::F32)}}));
        y = b.op("Mul", {y, b.op("Mul", {x.scale, q.scales})});
        if (bias) y = b.op("Add", {y, bias});
      }
    }
    return t == DType::F32 ? y : b.op("Cast", {y}, attrs({{"to", static_cast<int64_t>(t)}}));
  }

  ValueId attention(Builder& b, const WeightSite& s, const Stored& q, ValueId bias,
                    std::vector<NodeId>& context) {
    const Node n = m_[s.node];
    return q_attention(b, n, rounded(b, s, context), {q.codes, q.scales, q.zero_points}, bias);
  }

  void replace(const WeightSite& s) {
    Builder b(m_, ctx_.values, s.node);
    Key key;
    const auto known = stored_.size();
    const std::pair at{s.input, m_[s.node].parent};
    const bool was_rounded = rounded_.contains(at);
    const Stored* q = quantize(b, s, key);
    if (q == nullptr) return b.discard();
    std::vector<NodeId> context;
    const ValueId own = m_[s.node].in[1];
    const std::vector<double> more = lost(s, *q);
    const bool wide = s.weight->dtype == DType::F32;
    ValueId held = s.bias;  // float32, as the kernels on bytes want it
    if (!more.empty() || (s.bias && !wide))
      held = b.constant(bias(s, {}), s.bias ? m_[s.bias].name : m_[s.stored].name + "_bias");
    const size_t bytes = q->bytes.codes.byte_size() + q->bytes.scales.byte_size();
    const ValueId y =
        is_attention(m_, s) ? attention(b, s, *q, held, context) : product(b, s, *q, held, context);
    const bool done = ctx_.commit(b, {.rule = is_attention(m_, s) ? "dynamic-attention" : "dynamic-matmul",
                                      .root = m_[s.result].def,
                                      .taken = s.taken,
                                      .context = context,
                                      .replace = {{s.result, y}},
                                      .tolerance = kPatchTolerance,
                                      .what = fmt::format("8 bits: {} -> {} bytes, relative error {:.4f}",
                                                          s.weight->byte_size(), bytes, q->bytes.rms_error)});
    if (done) {
      // The correction is for the inputs of the model: the check knows others.
      if (!more.empty()) m_.set_constant(held, std::make_shared<const Tensor>(bias(s, more)));
      originals_.insert(originals_.end(), {s.stored, own, s.bias});
      return;
    }
    if (stored_.size() > known) stored_.erase(key);  // the builder erased what this rewrite had made
    if (!was_rounded) rounded_.erase(at);
  }

  PassContext& ctx_;
  Model& m_;
  const DynamicOptions& o_;
  std::vector<WeightSite> sites_;
  std::map<ValueId, ChannelStats> stats_;
  std::map<std::pair<ValueId, GraphId>, int> readers_;
  std::map<std::pair<ValueId, GraphId>, ByteOperand> rounded_;
  std::map<Key, Stored> stored_;
  std::vector<ValueId> originals_;
};

}  // namespace

std::string attention_refusal(const PassContext& ctx, NodeId attention) {
  const ValueId w = ctx.model[attention].input(1);
  return attention_refusal(ctx, attention, w ? ctx.model.constant(w) : nullptr);
}

std::string attention_refusal(const PassContext& ctx, NodeId attention, const Tensor* w) {
  const Model& m = ctx.model;
  const Node& n = m[attention];
  if (w == nullptr || w->rank() != 2) return "its weight is not a constant";
  if (!ctx.settings.target.has(kContrib, "QAttention", DType::F32)) return "the target has no QAttention";
  if (is_floating(w->dtype) && w->dtype != DType::F32) return "QAttention of half floats has no kernel";
  if (!n.input(2) || m.constant(n.in[2]) == nullptr) return "its bias is not a constant";
  if (n.input(4) || n.output(1)) return "it keeps a cache";
  if (n.input(5)) return "QAttention takes no bias of the scores";
  if (n.attrs.has("qkv_hidden_sizes") || w->dims[1] % 3 != 0)
    return "queries, keys and values differ in size";
  if (n.attrs.i("do_rotary", 0) != 0) return "it rotates inside";
  return {};
}

ValueId q_attention(Builder& b, const Node& n, const ByteOperand& x, const ByteOperand& w, ValueId bias) {
  Attrs a =
      attrs({{"num_heads", n.attrs.i("num_heads", 0)}, {"unidirectional", n.attrs.i("unidirectional", 0)}});
  for (const char* name : {"mask_filter_value", "scale"})
    if (const AttrValue* v = n.attrs.find(name)) a.set(name, *v);
  return b.op("QAttention", {x.codes, w.codes, bias, x.scale, w.scale, n.input(3), x.zero, w.zero},
              std::move(a), kContrib);
}

void quantize_dynamic(PassContext& ctx, const DynamicOptions& options) { Dynamic(ctx, options).run(); }

}  // namespace lathe
