// LSTM  =>  com.microsoft DynamicQuantizeLSTM; GRU and RNN, which have no such kernel, read their weights
// through DequantizeLinear.
#include <fmt/format.h>

#include "ir/core/walk.h"
#include "passes/quant/int8/dynamic.h"
#include "passes/quant/static/codes.h"

namespace lathe {
namespace {

constexpr const char* kContrib = "com.microsoft";
constexpr double kPatchTolerance = 0.25;  // rounding comes back through the state at every step

class Recurrent {
 public:
  Recurrent(PassContext& ctx, const DynamicOptions& o) : ctx_(ctx), m_(ctx.model), o_(o) {}

  void run() {
    for (const GraphId g : nested_graphs(m_, m_.main()))
      for (const NodeId n : m_.nodes(g)) {
        const Node& node = m_[n];
        if ((!node.is("LSTM") && !node.is("GRU") && !node.is("RNN")) || ctx_.out_of_fuel()) continue;
        const bool lstm = node.is("LSTM") && o_.form == DynamicForm::contrib &&
                          ctx_.settings.target.has(kContrib, "DynamicQuantizeLSTM", DType::F32) &&
                          node.attrs.i("layout", 0) == 0;
        if (std::string why = refusal(n); !why.empty())
          ctx_.missed("dynamic-recurrent", n, std::move(why));
        else
          replace(n, lstm);
      }
  }

 private:
  std::string refusal(NodeId n) const {
    for (const size_t slot : {1, 2}) {
      WeightSite s;
      s.node = n;
      s.stored = m_[n].input(slot);
      s.weight = s.stored ? m_.constant_ptr(s.stored) : nullptr;
      if (!s.weight || s.weight->rank() != 3) return "its weights are not constants";
      if (s.weight->dtype != DType::F32)
        return fmt::format("the weight is of type {}", onnx_name(s.weight->dtype));
      if (s.weight->count() == 0) return "the weight is empty";
      if (m_[s.stored].uses.size() != 1) return "something else also reads the weight";
      if (std::string why = o_.keep(s); !why.empty()) return why;
    }
    return {};
  }

  // [directions, gates, inputs]: one matrix a direction, each gate's rows with scales of their own.
  struct Weight {
    Tensor codes, scales, zero_points;
  };
  // onnxruntime's LSTM wants all zero points alike: its unsigned codes are the signed ones moved up.
  Weight quantized(const Tensor& w, bool transpose) const {
    const int64_t directions = w.dims[0], gates = w.dims[1], inputs = w.dims[2];
    const DType type = o_.format.is_signed ? DType::I8 : DType::U8;
    const std::vector<int64_t> dims = transpose ? std::vector{directions, inputs, gates} : w.dims;
    const std::vector<int64_t> each =
        o_.format.per_channel ? std::vector{directions, gates} : std::vector{directions};
    Weight out{Tensor::uninitialized(type, dims), Tensor::uninitialized(DType::F32, each),
               Tensor::uninitialized(type, each)};
    ByteFormat format = o_.format;
    const bool up = transpose && !format.is_signed;
    format.is_signed = format.is_signed || up;
    const std::byte flip{static_cast<unsigned char>(up ? 0x80 : 0)};
    const Tensor whole = w.aligned();
    const auto bytes = static_cast<size_t>(gates * inputs * 4);
    for (int64_t d = 0; d < directions; ++d) {
      const Tensor part =
          Tensor::view(DType::F32, {gates, inputs},
                       whole.bytes().subspan(static_cast<size_t>(d) * bytes, bytes), whole.keep());
      const ByteWeight q = quantize_bytes(part, true, format);  // [inputs, gates]
      for (int64_t i = 0; i < inputs; ++i)
        for (int64_t g = 0; g < gates; ++g) {
          const int64_t to = transpose ? i * gates + g : g * inputs + i;
          out.codes.mutable_bytes()[static_cast<size_t>(d * gates * inputs + to)] =
              q.codes.bytes()[static_cast<size_t>(i * gates + g)] ^ flip;
        }
      const int64_t scales = q.scales.count();
      std::memcpy(out.scales.mutable_bytes().data() + d * scales * 4, q.scales.bytes().data(),
                  static_cast<size_t>(scales * 4));
      for (int64_t i = 0; i < scales; ++i)
        out.zero_points.mutable_bytes()[static_cast<size_t>(d * scales + i)] =
            q.zero_points.bytes()[static_cast<size_t>(i)] ^ flip;
    }
    return out;
  }

  // DequantizeLinear has one axis of scales: directions and gates as one.
  ValueId decoded(Builder& b, const Weight& q, const std::string& name) const {
    const std::vector<int64_t> dims = q.codes.dims;
    const bool many = o_.format.per_channel;
    const Tensor codes = many ? q.codes.reshaped({dims[0] * dims[1], dims[2]}) : q.codes;
    std::vector<ValueId> in = {b.constant(codes, name + "_quantized"),
                               b.constant(q.scales.reshaped({q.scales.count()}), name + "_scale")};
    if (!o_.format.is_signed)
      in.push_back(b.constant(q.zero_points.reshaped({q.zero_points.count()}), name + "_zero_point"));
    b.require_opset("", 13);
    const ValueId w = b.op("DequantizeLinear", in, attrs({{"axis", int64_t{0}}}));
    return many ? b.op("Reshape", {w, b.ints(dims, name + "_dims")}) : w;
  }

  void replace(NodeId n, bool lstm) {
    const Node node = m_[n];
    Builder b(m_, ctx_.values, n);
    std::vector<ValueId> in = node.in;
    try {
      if (lstm) in.resize(8);
      for (const size_t slot : {1, 2}) {
        const std::string name = m_[node.in[slot]].name;
        const Weight q = quantized(*m_.constant(node.in[slot]), lstm);
        if (!lstm) {
          in[slot] = decoded(b, q, name);
          continue;
        }
        in[slot] = b.constant(q.codes, name + "_quantized");
        in.push_back(b.constant(q.scales, name + "_scale"));
        in.push_back(b.constant(q.zero_points, name + "_zero_point"));
      }
    } catch (const Error& e) {
      b.discard();
      return ctx_.missed("dynamic-recurrent", n, e.what());
    }
    Attrs a = node.attrs;
    if (lstm) a.erase("layout");
    size_t count = node.out.size();
    while (count > 1 && (!node.out[count - 1] || m_[node.out[count - 1]].uses.empty())) --count;
    const auto y =
        lstm ? b.ops("DynamicQuantizeLSTM", in, a, count, kContrib) : b.ops(node.type, in, a, count);
    Patch p{.rule = "dynamic-recurrent", .root = n, .taken = {n}, .tolerance = kPatchTolerance};
    p.what = lstm ? "weights and activations of 8 bits" : "weights of 8 bits";
    const NodeId made = m_[y[0]].def;
    for (size_t i = 0; i < count; ++i) {
      if (node.out[i] && !m_[node.out[i]].uses.empty())
        p.replace.emplace_back(node.out[i], y[i]);
      else
        m_.drop_output(made, i);
    }
    if (p.replace.empty()) return b.discard();
    if (!ctx_.commit(b, std::move(p))) return;
    for (const size_t slot : {1, 2})
      if (m_[node.in[slot]].uses.empty() && m_.is_initializer(node.in[slot]))
        m_.erase_initializer(node.in[slot]);
  }

  PassContext& ctx_;
  Model& m_;
  const DynamicOptions& o_;
};

}  // namespace

void quantize_recurrent(PassContext& ctx, const DynamicOptions& options) { Recurrent(ctx, options).run(); }

}  // namespace lathe
