// Layer normalization over the last axis (Ba, Kiros, Hinton 2016), spelled out.
//   d = Sub (x, ReduceMean (x)); y = d / Sqrt (ReduceMean (d * d) + eps) * scale + bias
//   =>  y = LayerNormalization (x, scale, bias)
#include <fmt/format.h>

#include "passes/all_passes.h"
#include "passes/fusion/common.h"

namespace lathe {
namespace {

constexpr int64_t kLayerNormOpset = 17;

struct Vars {
  Var x, scale, bias, axes, axes2;
  Num epsilon;
};

Pat mean(Pat x, Var axes) {
  return op("ReduceMean", {std::move(x), constant(axes)}, {{"keepdims", int64_t{1}, true}});
}

// float16 graphs compute it in float32 between two casts: stash_type says the same.
Pat normalized(const Vars& v) {
  const Pat x = maybe("Cast", v.x);
  const Pat d = x - mean(x, v.axes);
  return d / square_root(mean(square(maybe("Cast", d)), v.axes2) + v.epsilon);
}

Refusal guard(const Vars& v, bool scaled, bool shifted, const Match& m) {
  const Model& model = *m.model;
  const Type& type = m.type(v.x);
  const auto width = last_dim(type);
  if (!is_last_axis(model, m[v.axes], m[v.x]) || !is_last_axis(model, m[v.axes2], m[v.x]))
    return "the mean is not over the last axis alone";
  if (!width) return "the normalized axis has no constant size";
  if (!is_floating(type.dtype)) return "not floating point";
  if (model[m.root].type.dtype != type.dtype)
    return fmt::format("input is {}, output {}", onnx_name(type.dtype), onnx_name(model[m.root].type.dtype));
  if (m[v.epsilon] < 0) return "epsilon is negative";
  for (const auto& [used, var] : {std::pair{scaled, v.scale}, std::pair{shifted, v.bias}}) {
    if (!used) continue;
    if (!is_last_axis_vector(model, m[var], *width))
      return fmt::format("'{}' is not one value for each of the {} normalized elements", model[m[var]].name,
                         *width);
    if (m.type(var).dtype != type.dtype) return fmt::format("'{}' is of another type", model[m[var]].name);
  }
  return std::nullopt;
}

Rule layer_norm_rule(std::string name, bool scaled, bool shifted) {
  const Vars v;
  const Pat n = normalized(v);
  Pat p = n;
  if (scaled) p = one_of({n * v.scale, op("Cast", {n}) * v.scale});
  if (!scaled) p = one_of({n, op("Cast", {n})});
  if (shifted) p = p + v.bias;
  return {.name = std::move(name),
          .why = "the difference from the mean over the standard deviation is LayerNormalization",
          .pattern = p,
          .guard = [=](const Match& m, const Target&) { return guard(v, scaled, shifted, m); },
          .emit =
              [=](Builder& b, const Match& m) {
                b.require_opset("", kLayerNormOpset);
                std::vector<ValueId> in{m[v.x]};
                in.push_back(scaled ? as_vector(b, m[v.scale])
                                    : b.constant(Tensor::full(m.type(v.x).dtype, {*last_dim(m.type(v.x))}, 1),
                                                 "ones"));
                if (shifted) in.push_back(as_vector(b, m[v.bias]));
                return b.op("LayerNormalization", std::move(in),
                            attrs({{"axis", int64_t{-1}}, {"epsilon", static_cast<float>(m[v.epsilon])}}));
              }};
}

}  // namespace

PassDef fuse_layer_norm() {
  return {.name = "fuse-layer-norm",
          .group = "fusion",
          .summary = "Fuse mean, variance and scaling over the last axis into LayerNormalization",
          .run = [](PassContext& c, const PassOptions&) {
            // The whole formula before its parts.
            static const Rule rules[] = {layer_norm_rule("layer-norm", true, true),
                                         layer_norm_rule("layer-norm-no-bias", true, false),
                                         layer_norm_rule("layer-norm-plain", false, false)};
            for (const Rule& r : rules) c.apply({&r, 1});
          }};
}

}  // namespace lathe
