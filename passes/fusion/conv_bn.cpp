// Batch normalization with fixed statistics (Ioffe, Szegedy 2015) is a factor and a summand for each channel.
//   y = BatchNormalization (Conv (x, W, b), g, beta, mean, var)
//   =>  y = Conv (x, W * s, (b - mean) * s + beta)    s = g / Sqrt (var + eps)
#include <cmath>

#include "passes/all_passes.h"
#include "passes/fusion/conv_affine.h"

namespace lathe {
namespace {

Rule conv_bn_rule() {
  const Var y, scale, shift, mean, variance;
  return {.name = "conv-bn",
          .why = "with fixed statistics the normalization is linear in each channel",
          .pattern =
              op("BatchNormalization",
                 {linear_op(y, true), constant(scale), constant(shift), constant(mean), constant(variance)},
                 {{"training_mode", int64_t{0}, true}}),
          .guard = [=](const Match& m, const Target&) -> Refusal {
            std::string why;
            const auto channels = linear_channels(*m.model, (*m.model)[m[y]].def, &why);
            if (!channels) return why;
            for (const Var v : {scale, shift, mean, variance}) {
              const Tensor& t = *m.constant(v);
              if (t.rank() != 1 || t.count() != *channels || !is_floating(t.dtype))
                return "the statistics are not one value for each channel";
            }
            return std::nullopt;
          },
          .emit =
              [=](Builder& b, const Match& m) {
                const auto g = m.constant(scale)->to_doubles(), beta = m.constant(shift)->to_doubles();
                const auto mu = m.constant(mean)->to_doubles(), var = m.constant(variance)->to_doubles();
                const Model& model = *m.model;
                const double epsilon = model[model[m.root].def].attrs.f("epsilon", 1e-5F);
                ChannelAffine a;
                for (size_t c = 0; c < g.size(); ++c) {
                  const double s = g[c] / std::sqrt(var[c] + epsilon);
                  a.factor.push_back(s);
                  a.summand.push_back(beta[c] - mu[c] * s);
                }
                return emit_affine(b, model[m[y]].def, a);
              }};
}

}  // namespace

PassDef fuse_conv_bn() {
  return {.name = "fuse-conv-bn",
          .group = "fusion",
          .summary = "Move BatchNormalization into the Conv, ConvTranspose or Gemm before it",
          .rules = {conv_bn_rule()}};
}

}  // namespace lathe
