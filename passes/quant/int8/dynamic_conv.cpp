// Conv  =>  DynamicQuantizeLinear, ConvInteger, Cast, Mul (and an Add of the bias).
#include <fmt/format.h>

#include <map>

#include "ir/core/walk.h"
#include "passes/core/erase_unused.h"
#include "passes/quant/int8/dynamic.h"
#include "passes/quant/static/codes.h"

namespace lathe {
namespace {

constexpr double kPatchTolerance = 0.1;  // half a step of either factor, averaged over the window

// ConvInteger takes one zero point for all channels: unsigned codes are the signed ones moved up.
CodedWeight moved_up(CodedWeight w) {
  Tensor codes = Tensor::uninitialized(DType::U8, w.codes.dims);
  for (size_t i = 0; i < codes.byte_size(); ++i)
    codes.mutable_bytes()[i] = w.codes.bytes()[i] ^ std::byte{0x80};
  w.codes = std::move(codes);
  w.zero_points = Tensor::full(DType::U8, {}, 128);
  return w;
}

class Convolutions {
 public:
  Convolutions(PassContext& ctx, const DynamicOptions& o) : ctx_(ctx), m_(ctx.model), o_(o) {}

  void run() {
    for (const GraphId g : nested_graphs(m_, m_.main()))
      for (const NodeId n : m_.nodes(g))
        if (m_[n].is("Conv") && !ctx_.out_of_fuel()) replace(n);
  }

 private:
  std::string refusal(NodeId n) const {
    const Node& node = m_[n];
    WeightSite s;
    s.node = n;
    s.stored = node.in[1];
    s.weight = m_.constant_ptr(node.in[1]);
    if (!s.weight) return "the weight is not a constant";
    if (s.weight->dtype != DType::F32)
      return fmt::format("the weight is of type {}", onnx_name(s.weight->dtype));
    if (s.weight->rank() < 3 || s.weight->count() == 0) return "the weight is empty";
    if (m_[node.in[1]].uses.size() != 1) return "something else also reads the weight";
    const Tensor* bias = node.input(2) ? m_.constant(node.in[2]) : nullptr;
    if (node.input(2) && (bias == nullptr || bias->count() != s.weight->dims[0]))
      return "the bias is not a constant";
    return o_.keep(s);
  }

  void replace(NodeId n) {
    const Node node = m_[n];
    const auto stay = [&](std::string why) { ctx_.missed("dynamic-conv", n, std::move(why)); };
    if (std::string why = refusal(n); !why.empty()) return stay(std::move(why));
    const Tensor& w = *m_.constant(node.in[1]);
    const std::string name = m_[node.in[1]].name;
    ByteFormat format = o_.format;
    format.is_signed = true;
    CodedWeight q;
    try {
      q = code_weight(w, 0, format, DType::U8);
    } catch (const Error& e) {
      return stay(fmt::format("'{}': {}", name, e.what()));
    }
    if (!o_.format.is_signed) q = moved_up(std::move(q));
    Builder b(m_, ctx_.values, n);
    const std::pair key{node.in[0], node.parent};
    const bool known = rounded_.contains(key);
    std::vector<NodeId> context;
    if (known)
      context.push_back(m_[rounded_.at(key)[0]].def);
    else
      rounded_[key] = b.ops("DynamicQuantizeLinear", {node.in[0]}, {}, 3);
    const std::vector<ValueId> x = rounded_.at(key);
    std::vector<ValueId> in = {x[0], b.constant(q.codes, name + "_quantized"), x[2]};
    if (!o_.format.is_signed) in.push_back(b.constant(q.zero_points, name + "_zero_point"));
    std::vector<int64_t> spread(static_cast<size_t>(w.rank()), 1);
    spread[1] = q.scales.rank() == 0 ? 1 : w.dims[0];
    const ValueId scales = b.constant(q.scales.reshaped(spread), name + "_scale");
    ValueId y = b.op("Cast", {b.op("ConvInteger", in, node.attrs)},
                     attrs({{"to", static_cast<int64_t>(DType::F32)}}));
    y = b.op("Mul", {y, b.op("Mul", {x[1], scales})});
    if (node.input(2)) {
      spread[1] = w.dims[0];
      y = b.op("Add", {y, b.constant(m_.constant(node.in[2])->reshaped(spread), m_[node.in[2]].name)});
    }
    const ValueId old_weight = node.in[1], old_bias = node.input(2);
    if (!ctx_.commit(b, {.rule = "dynamic-conv",
                         .root = n,
                         .taken = {n},
                         .context = context,
                         .replace = {{node.out[0], y}},
                         .tolerance = kPatchTolerance,
                         .what = fmt::format("8 bits, relative error {:.4f}", q.rms_error)})) {
      if (!known) rounded_.erase(key);
      return;
    }
    erase_unused(m_, {old_weight, old_bias});
  }

  PassContext& ctx_;
  Model& m_;
  const DynamicOptions& o_;
  std::map<std::pair<ValueId, GraphId>, std::vector<ValueId>> rounded_;
};

}  // namespace

void quantize_convolutions(PassContext& ctx, const DynamicOptions& options) {
  Convolutions(ctx, options).run();
}

}  // namespace lathe
