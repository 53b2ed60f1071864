// Takes apart what hides the bias or the residual of a product:
//   SkipLayerNormalization (x, skip, gamma, beta, bias)  =>  LayerNormalization (Sum (Add (x, bias), skip),
//   ...) BiasGelu (x, bias)  =>  Gelu (Add (x, bias))
// The bias then goes into the product's own. A Sum, because onnxruntime fuses Add + LayerNormalization back
// into SkipLayerNormalization, whose CPU kernel takes two to three times as long as the pair
// (onnxruntime 1.31).
#include "ir/core/walk.h"
#include "passes/quant/int8/dynamic.h"

namespace lathe {
namespace {

constexpr const char* kContrib = "com.microsoft";

void split_skip(PassContext& ctx, NodeId n) {
  Model& m = ctx.model;
  const std::vector<ValueId> in = m[n].in;
  const auto input = [&](size_t i) { return i < in.size() ? in[i] : ValueId{}; };
  if (m[n].output(1) || m[n].output(2) || !input(2)) return;
  const auto *a = m[in[0]].type.shape ? &*m[in[0]].type.shape : nullptr,
             *s = m[in[1]].type.shape ? &*m[in[1]].type.shape : nullptr;
  if (a == nullptr || s == nullptr || *a != *s) return;  // its broadcasting is its own
  const float epsilon = m[n].attrs.f("epsilon", 1e-12f);
  const ValueId y = m[n].out[0], kept = m[n].output(3);
  Builder b(m, ctx.values, n);
  ValueId x = in[0];
  if (input(4)) x = b.op("Add", {x, input(4)});
  const ValueId sum = b.op("Sum", {x, in[1]});
  std::vector<ValueId> norm = {sum, in[2]};
  if (input(3)) norm.push_back(input(3));
  const ValueId made =
      b.op("LayerNormalization", std::move(norm), attrs({{"axis", int64_t{-1}}, {"epsilon", epsilon}}));
  b.require_opset("", 17);
  Patch p{.rule = "split-skip-layer-norm",
          .root = n,
          .taken = {n},
          .replace = {{y, made}},
          .what = "the bias can go into the product"};
  if (kept) p.replace.emplace_back(kept, sum);
  ctx.commit(b, std::move(p));
}

void split_bias_gelu(PassContext& ctx, NodeId n) {
  Model& m = ctx.model;
  const std::vector<ValueId> in = m[n].in;
  if (in.size() != 2 || !in[0] || !in[1] || !ctx.settings.target.has(kContrib, "Gelu", m[in[0]].type.dtype))
    return;
  Builder b(m, ctx.values, n);
  const ValueId y = b.op("Gelu", {b.op("Add", in)}, {}, kContrib);
  ctx.commit(b, {.rule = "split-bias-gelu",
                 .root = n,
                 .taken = {n},
                 .replace = {{m[n].out[0], y}},
                 .what = "the bias can go into the product"});
}

}  // namespace

void split_biases(PassContext& ctx) {
  for (const GraphId g : nested_graphs(ctx.model, ctx.model.main()))
    for (const NodeId n : ctx.model.nodes(g)) {
      if (ctx.out_of_fuel()) return;
      if (ctx.model[n].is("SkipLayerNormalization", kContrib)) split_skip(ctx, n);
      if (ctx.model[n].is("BiasGelu", kContrib)) split_bias_gelu(ctx, n);
    }
}

}  // namespace lathe
