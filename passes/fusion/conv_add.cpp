// A constant summand for each channel.
//   y = Add (Conv (x, W, b), c)  =>  y = Conv (x, W, b + c)
#include "passes/all_passes.h"
#include "passes/fusion/conv_affine.h"

namespace lathe {
namespace {

Rule conv_add_rule(std::string name, const std::string& type, bool constant_first) {
  const Var y, c;
  const Pat linear = linear_op(y, false);
  return {.name = std::move(name),
          .why = "the bias takes up the summand",
          .pattern = constant_first ? op(type, {constant(c), linear}) : op(type, {linear, constant(c)}),
          .guard = [=](const Match& m, const Target&) -> Refusal {
            std::string why;
            const NodeId conv = (*m.model)[m[y]].def;
            const auto channels = linear_channels(*m.model, conv, &why);
            if (!channels) return why;
            if (!by_channel(*m.model, m[c], conv, *channels))
              return "the constant is not one value for each channel ([C, 1, 1] or a scalar)";
            return std::nullopt;
          },
          .emit =
              [=](Builder& b, const Match& m) {
                std::string why;
                Model& model = b.model();
                const Node conv = model[model[m[y]].def];
                const int64_t channels = *linear_channels(model, model[m[y]].def, &why);
                const auto summand = *by_channel(model, m[c], model[m[y]].def, channels);
                const Tensor* old = model.constant(conv.input(2));
                const DType dtype = model[conv.in[1]].type.dtype;
                Tensor bias = Tensor::uninitialized(dtype, {channels});
                for (int64_t i = 0; i < channels; ++i) {
                  const double s = summand[static_cast<size_t>(i)];
                  store_double(dtype, bias.mutable_bytes().data(), i,
                               (old == nullptr ? 0 : old->as_double(i)) + (type == "Sub" ? -s : s));
                }
                const std::string name = model[old == nullptr ? m[c] : conv.in[2]].name;
                return b.op(conv.type, {conv.in[0], conv.in[1], b.constant(std::move(bias), name)},
                            conv.attrs);
              }};
}

}  // namespace

PassDef fuse_conv_add() {
  return {.name = "fuse-conv-add",
          .group = "fusion",
          .summary = "Move a constant summand after a convolution into its bias",
          .rules = {conv_add_rule("conv-add", "Add", false), conv_add_rule("add-conv", "Add", true),
                    conv_add_rule("conv-sub", "Sub", false)}};
}

}  // namespace lathe
