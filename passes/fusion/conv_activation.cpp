// An activation after a convolution, and a residual sum between them.
//   y = Relu (Conv (x, W, b))           =>  y = FusedConv <activation = "Relu"> (x, W, b)
//   y = Relu (Add (Conv (x, W, b), z))  =>  y = FusedConv <activation = "Relu"> (x, W, b, z)
#include <fmt/format.h>

#include "passes/all_passes.h"
#include "passes/fusion/common.h"

namespace lathe {
namespace {

constexpr std::string_view kMs = "com.microsoft";

// Name and parameters of the activation as FusedConv takes them; nullopt if it cannot.
struct Activation {
  std::string name;
  std::vector<float> parameters;
};
std::optional<Activation> activation(const Model& m, NodeId id) {
  const Node& n = m[id];
  if (!n.domain.empty()) return std::nullopt;
  if (n.type == "Relu" || n.type == "Sigmoid" || n.type == "Tanh") return Activation{n.type, {}};
  if (n.type == "LeakyRelu") return Activation{n.type, {n.attrs.f("alpha", 0.01F)}};
  if (n.type == "HardSigmoid") return Activation{n.type, {n.attrs.f("alpha", 0.2F), n.attrs.f("beta", 0.5F)}};
  if (n.type == "Clip") {
    const Tensor *low = m.constant(n.input(1)), *high = m.constant(n.input(2));
    if (low == nullptr || high == nullptr || low->count() != 1 || high->count() != 1) return std::nullopt;
    return Activation{n.type,
                      {static_cast<float>(low->as_double(0)), static_cast<float>(high->as_double(0))}};
  }
  return std::nullopt;
}

class ConvActivation {
 public:
  ConvActivation(PassContext& c, NodeId n) : c_(c), m_(c.model), root_(n) {}

  void run() {
    const auto no = [&](std::string why) { c_.missed("conv-activation", root_, std::move(why)); };
    const auto a = activation(m_, root_);
    ValueId v = m_[root_].in[0], residual;
    NodeId add = defined_by(m_, v, "Add"), conv = defined_by(m_, v, "Conv");
    if (!a) return conv ? no("the bounds are not two constants") : void();
    if (add) {
      if (a->name != "Relu") return;  // what onnxruntime's kernel adds before
      for (size_t i = 0; i < 2 && !conv; ++i) {
        conv = defined_by(m_, m_[add].in[i], "Conv");
        residual = m_[add].in[1 - i];
        if (conv && !same_shape(residual, v)) {
          no(fmt::format("'{}' is not of the sum's shape", m_[residual].name));
          conv = {};
        } else if (conv && (!single_use(m_, m_[add].in[i]) || residual == m_[add].in[i])) {
          conv = {};
        }
      }
    }
    if (!conv) return;
    if (!single_use(m_, v)) return no(fmt::format("'{}' is used in more than one place", m_[v].name));
    if (m_[conv].parent != m_[root_].parent) return no("the convolution is in another graph");
    const DType dtype = m_[v].type.dtype;
    if (dtype != DType::F32) return no("FusedConv runs on float");
    if (const Refusal why = needs_kernel(c_.settings.target, kMs, "FusedConv", dtype)) return no(*why);
    Builder b(m_, c_.values, root_);
    std::vector<ValueId> in = m_[conv].in;
    if (residual) {
      in.resize(3);
      in.push_back(residual);
    }
    Attrs attributes = m_[conv].attrs;
    attributes.set("activation", a->name);
    if (!a->parameters.empty()) attributes.set("activation_params", a->parameters);
    const ValueId y = b.op("FusedConv", std::move(in), std::move(attributes), kMs);
    Patch patch{.rule = residual ? "conv-add-activation" : "conv-activation",
                .root = root_,
                .taken = {conv, root_},
                .replace = {{m_[root_].out[0], y}}};
    if (add) patch.taken.push_back(add);
    c_.commit(b, std::move(patch));
  }

 private:
  bool same_shape(ValueId a, ValueId b) const {
    const auto &s = m_[a].type.shape, &t = m_[b].type.shape;
    return s && t && *s == *t;
  }

  PassContext& c_;
  Model& m_;
  NodeId root_;
};

}  // namespace

PassDef fuse_conv_activation() {
  return {.name = "fuse-conv-activation",
          .group = "fusion",
          .summary = "Fuse Conv and the activation behind it into FusedConv, a residual sum between them too",
          .run = [](PassContext& c, const PassOptions&) {
            for_each_fusable(c, {"Relu", "LeakyRelu", "Clip", "HardSigmoid", "Sigmoid", "Tanh"},
                             [&](NodeId n) { ConvActivation(c, n).run(); });
          }};
}

}  // namespace lathe
