// A constant factor for each channel.
//   y = Mul (Conv (x, W, b), c)  =>  y = Conv (x, W * c, b * c)
#include "passes/all_passes.h"
#include "passes/fusion/conv_affine.h"

namespace lathe {
namespace {

Rule conv_mul_rule(std::string name, const std::string& type, bool constant_first) {
  const Var y, c;
  const Pat linear = linear_op(y, false);
  return {.name = std::move(name),
          .why = "convolution is linear in its weight and bias",
          .pattern = constant_first ? op(type, {constant(c), linear}) : op(type, {linear, constant(c)}),
          .guard = [=](const Match& m, const Target&) -> Refusal {
            std::string why;
            const NodeId conv = (*m.model)[m[y]].def;
            const auto channels = linear_channels(*m.model, conv, &why);
            if (!channels) return why;
            const auto factor = by_channel(*m.model, m[c], conv, *channels);
            if (!factor) return "the constant is not one value for each channel ([C, 1, 1] or a scalar)";
            for (const double f : *factor)
              if (type == "Div" && f == 0) return "it divides by zero";
            return std::nullopt;
          },
          .emit =
              [=](Builder& b, const Match& m) {
                std::string why;
                const NodeId conv = (*m.model)[m[y]].def;
                const int64_t channels = *linear_channels(*m.model, conv, &why);
                ChannelAffine a{*by_channel(*m.model, m[c], conv, channels),
                                std::vector<double>(static_cast<size_t>(channels), 0.0)};
                if (type == "Div")
                  for (double& f : a.factor) f = 1 / f;
                return emit_affine(b, conv, a);
              }};
}

}  // namespace

PassDef fuse_conv_mul() {
  return {.name = "fuse-conv-mul",
          .group = "fusion",
          .summary = "Move a constant factor after a convolution into its weight and bias",
          .rules = {conv_mul_rule("conv-mul", "Mul", false), conv_mul_rule("mul-conv", "Mul", true),
                    conv_mul_rule("conv-div", "Div", false)}};
}

}  // namespace lathe
