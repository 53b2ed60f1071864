// Root mean square normalization over the last axis (Zhang, Sennrich 2019), spelled out.
//   y = x / Sqrt (ReduceMean (x * x) + eps) * scale  =>  y = RMSNormalization (x, scale)
//
// The op is ONNX's own, of opset 23. onnxruntime's older name, SimplifiedLayerNormalization in the default
// domain, runs but no checker knows it; com.microsoft has only the variant with a residual, which
// fuse-skip-layer-norm makes of this one.
#include <fmt/format.h>

#include "passes/all_passes.h"
#include "passes/fusion/common.h"

namespace lathe {
namespace {

constexpr int64_t kRmsNormOpset = 23;

Rule rms_norm_rule(std::string name, bool scaled) {
  const Var x, scale, axes;
  const Num epsilon;
  const Pat wide = maybe("Cast", x);
  const Pat mean = op("ReduceMean", {square(wide), constant(axes)}, {{"keepdims", int64_t{1}, true}});
  const Pat n = wide / square_root(mean + epsilon);
  return {
      .name = std::move(name),
      .why = "the value over its root mean square is RMSNormalization",
      .pattern = scaled ? one_of({n * scale, op("Cast", {n}) * scale}) : one_of({n, op("Cast", {n})}),
      .guard = [=](const Match& m, const Target&) -> Refusal {
        const Type& type = m.type(x);
        const auto width = last_dim(type);
        if (!is_last_axis(*m.model, m[axes], m[x])) return "the mean is not over the last axis alone";
        if (!width) return "the normalized axis has no constant size";
        if (!is_floating(type.dtype)) return "not floating point";
        if ((*m.model)[m.root].type.dtype != type.dtype) return "input and output are of different types";
        if (m[epsilon] < 0) return "epsilon is negative";
        if (scaled && (!is_last_axis_vector(*m.model, m[scale], *width) || m.type(scale).dtype != type.dtype))
          return fmt::format("'{}' is not one value of the same type for each of the {} elements",
                             (*m.model)[m[scale]].name, *width);
        return std::nullopt;
      },
      .emit =
          [=](Builder& b, const Match& m) {
            b.require_opset("", kRmsNormOpset);
            const ValueId s =
                scaled ? as_vector(b, m[scale])
                       : b.constant(Tensor::full(m.type(x).dtype, {*last_dim(m.type(x))}, 1), "ones");
            return b.op("RMSNormalization", {m[x], s},
                        attrs({{"axis", int64_t{-1}}, {"epsilon", static_cast<float>(m[epsilon])}}));
          }};
}

}  // namespace

PassDef fuse_rms_norm() {
  return {.name = "fuse-rms-norm",
          .group = "fusion",
          .summary = "Fuse the root mean square spelled out into RMSNormalization (raises the opset to 23)",
          .run = [](PassContext& c, const PassOptions&) {
            static const Rule rules[] = {rms_norm_rule("rms-norm", true),
                                         rms_norm_rule("rms-norm-plain", false)};
            for (const Rule& r : rules) c.apply({&r, 1});
          }};
}

}  // namespace lathe
