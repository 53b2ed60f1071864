// What the target computes faster in parts, in parts; and so that its runtime does not fuse them again.
#include "passes/fusion/split_slow.h"

#include "ir/core/walk.h"
#include "ir/onnx/lift.h"
#include "passes/core/slow_fusions.h"
#include "passes/fusion/common.h"

namespace lathe {
namespace {

constexpr const char* kContrib = "com.microsoft";
constexpr const char* kSkipNorm = "SkipLayerNormalization";
constexpr const char* kSkipRms = "SkipSimplifiedLayerNormalization";
constexpr int64_t kSumOpset = 8;  // broadcasts since
constexpr int64_t kLayerNormOpset = 17, kRmsNormOpset = 23;

// norm (Add (a, b)), gelu (Add (a, b)): what onnxruntime fuses on loading.
bool keep_apart(PassContext& ctx, NodeId n) {
  Model& m = ctx.model;
  const NodeId add = defined_by(m, m[n].input(0), "Add");
  if (!add || m[add].parent != m[n].parent) return false;
  const ValueId sum = m[add].out[0];
  const bool gelu = m[n].type == "Gelu";
  const bool constant = m.constant(m[add].in[0]) != nullptr || m.constant(m[add].in[1]) != nullptr;
  // A bias alone before a norm is not fused, nor is a Gelu whose sum something else reads.
  if (gelu ? !constant || !single_use(m, sum) || m[n].attrs.s("approximate", "none") != "none" : constant)
    return false;
  const std::string_view fused = gelu ? "BiasGelu" : m[n].is("RMSNormalization") ? kSkipRms : kSkipNorm;
  const auto slow = slow_fusion(ctx.settings.target, fused, m[sum].type.dtype);
  if (!slow) return false;
  Builder b(m, ctx.values, add);
  const ValueId made = b.op("Sum", {m[add].in[0], m[add].in[1]});
  b.require_opset("", kSumOpset);
  return ctx.commit(b, {.rule = "keep-apart",
                        .root = add,
                        .taken = {add},
                        .replace = {{sum, made}},
                        .exactness = Exactness::bitwise,
                        .what = *slow});
}

}  // namespace

bool split_where_slow(PassContext& ctx, NodeId n) {
  const Node& node = ctx.model[n];
  if (node.erased || node.domain != kContrib || node.in.empty() || !node.in[0]) return false;
  if (!slow_fusion(ctx.settings.target, node.type, ctx.model[node.in[0]].type.dtype)) return false;
  if (node.type == "BiasGelu") return split_bias_gelu(ctx, n);
  const bool raises = node.type == kSkipRms && ctx.model.opset("") < kRmsNormOpset;
  return !raises && split_skip_norm(ctx, n);
}

bool split_skip_norm(PassContext& ctx, NodeId n) {
  Model& m = ctx.model;
  const bool rms = m[n].type == kSkipRms;
  const std::vector<ValueId> in = m[n].in;
  const auto input = [&](size_t i) { return i < in.size() ? in[i] : ValueId{}; };
  if (m[n].output(1) || m[n].output(2) || !input(2)) return false;
  const auto *a = m[in[0]].type.shape ? &*m[in[0]].type.shape : nullptr,
             *s = m[in[1]].type.shape ? &*m[in[1]].type.shape : nullptr;
  if (a == nullptr || s == nullptr || *a != *s) return false;  // its broadcasting is its own
  const float epsilon = m[n].attrs.f("epsilon", 1e-12f);
  const ValueId y = m[n].out[0], kept = m[n].output(3), shift = rms ? ValueId{} : input(3),
                bias = input(rms ? 3 : 4);
  Builder b(m, ctx.values, n);
  const ValueId x = bias ? b.op("Add", {in[0], bias}) : in[0];
  const ValueId sum = b.op("Sum", {x, in[1]});
  std::vector<ValueId> norm = {sum, in[2]};
  if (shift) norm.push_back(shift);
  const ValueId made = b.op(rms ? "RMSNormalization" : "LayerNormalization", std::move(norm),
                            attrs({{"axis", int64_t{-1}}, {"epsilon", epsilon}}));
  b.require_opset("", rms ? kRmsNormOpset : kLayerNormOpset);
  Patch p{.rule = rms ? "split-skip-rms-norm" : "split-skip-layer-norm",
          .root = n,
          .taken = {n},
          .replace = {{y, made}},
          .what = "the bias can go into the product"};
  if (kept) p.replace.emplace_back(kept, sum);
  return ctx.commit(b, std::move(p));
}

bool split_bias_gelu(PassContext& ctx, NodeId n) {
  Model& m = ctx.model;
  const std::vector<ValueId> in = m[n].in;
  if (in.size() != 2 || !in[0] || !in[1] || !ctx.settings.target.has(kContrib, "Gelu", m[in[0]].type.dtype))
    return false;
  Builder b(m, ctx.values, n);
  b.require_opset("", kSumOpset);
  const ValueId y = b.op("Gelu", {b.op("Sum", in)}, {}, kContrib);
  return ctx.commit(b, {.rule = "split-bias-gelu",
                        .root = n,
                        .taken = {n},
                        .replace = {{m[n].out[0], y}},
                        .what = "the bias can go into the product"});
}

void split_biases(PassContext& ctx) {
  for (const GraphId g : nested_graphs(ctx.model, ctx.model.main()))
    for (const NodeId n : ctx.model.nodes(g)) {
      if (ctx.out_of_fuel()) return;
      if (ctx.model[n].is(kSkipNorm, kContrib)) split_skip_norm(ctx, n);
      if (ctx.model[n].is("BiasGelu", kContrib)) split_bias_gelu(ctx, n);
    }
}

PassDef split_slow() {
  return {.name = "split-slow",
          .group = "fusion",
          .summary =
              "Take apart, and keep apart, what the target computes slower fused (SkipLayerNormalization "
              "and BiasGelu on ort-cpu)",
          .run = [](PassContext& c, const PassOptions&) {
            for (const GraphId g : nested_graphs(c.model, c.model.main()))
              for (const NodeId n : c.model.nodes(g)) {
                if (c.out_of_fuel()) return;
                const Node& node = c.model[n];
                if (node.erased || !is_canonical(node)) continue;
                const bool norm = node.is("LayerNormalization") || node.is("RMSNormalization");
                if (norm || node.is("Gelu") || node.is("Gelu", kContrib))
                  keep_apart(c, n);
                else
                  split_where_slow(c, n);
              }
          }};
}

}  // namespace lathe
