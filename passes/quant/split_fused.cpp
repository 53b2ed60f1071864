#include <fmt/format.h>

#include "ir/core/walk.h"
#include "passes/core/facts.h"
#include "passes/core/slow_fusions.h"
#include "passes/fusion/split_slow.h"
#include "passes/quant/weight_only.h"

namespace lathe {
namespace {

constexpr const char* kContrib = "com.microsoft";

//   y = Attention (x, W, b, mask)  =>  q, k, v = Split (x W + b);  y = MultiHeadAttention (q, k, v, -, mask)
void split_attention(PassContext& ctx, const SplitOptions& options, NodeId n) {
  Model& m = ctx.model;
  const Node& node = m[n];
  const std::string rule = "split-attention";
  const Tensor* w = m.constant(node.input(1));
  if (w == nullptr || w->rank() != 2 || w->count() < options.min_elements) return;
  if (node.input(4) || node.output(1) || node.attrs.i("do_rotary", 0) != 0 ||
      node.attrs.i("past_present_share_buffer", 0) != 0)
    return ctx.missed(rule, n, "it keeps a cache or rotates inside");
  std::vector<int64_t> sizes =
      node.attrs.ints("qkv_hidden_sizes", {w->dims[1] / 3, w->dims[1] / 3, w->dims[1] / 3});
  if (sizes.size() != 3 || sizes[0] + sizes[1] + sizes[2] != w->dims[1]) return;
  const Attrs old = node.attrs;
  const std::vector<ValueId> in = node.in;
  Builder b(m, ctx.values, n);
  ValueId packed = b.op("MatMul", {in[0], in[1]});
  if (in.size() > 2 && in[2]) packed = b.op("Add", {packed, in[2]});  // `node` has moved
  const auto qkv = b.ops("Split", {packed, b.ints(sizes, "qkv_sizes")}, attrs({{"axis", int64_t{-1}}}), 3);
  Attrs a = attrs({{"num_heads", old.i("num_heads", 0)}});
  for (const char* name : {"mask_filter_value", "scale"})
    if (const AttrValue* v = old.find(name)) a.set(name, *v);
  if (old.i("unidirectional", 0) != 0) a.set("unidirectional", int64_t{1});
  const ValueId mask = in.size() > 3 ? in[3] : ValueId{}, bias = in.size() > 5 ? in[5] : ValueId{};
  std::vector<ValueId> operands = {qkv[0], qkv[1], qkv[2], ValueId{}, mask, bias};
  while (!operands.back()) operands.pop_back();
  const ValueId y = b.op("MultiHeadAttention", std::move(operands), std::move(a), kContrib);
  ctx.commit(b, {.rule = rule,
                 .root = n,
                 .taken = {n},
                 .replace = {{m[n].out[0], y}},
                 .what = "its packed weight stands alone now"});
}

//   y = EmbedLayerNormalization (ids, segments, word, position, segment, gamma, beta)
//   => SkipLayerNormalization (Gather (word, ids) + positions, Gather (segment, segments), gamma, beta)
//      or, where that is slow, LayerNormalization of their Sum
void split_embed_layer_norm(PassContext& ctx, const SplitOptions& options, NodeId n) {
  Model& m = ctx.model;
  const std::string rule = "split-embed-layer-norm";
  const std::vector<ValueId> in = m[n].in;
  const auto input = [&](size_t i) { return i < in.size() ? in[i] : ValueId{}; };
  const Tensor* word = m.constant(input(2));
  if (word == nullptr || word->count() < options.min_elements) return;
  if ((m[n].output(1) && !m[m[n].out[1]].uses.empty()) || m[n].output(2))
    return ctx.missed(rule, n, "its mask or sum output is used");
  const float epsilon = m[n].attrs.f("epsilon", 1e-12f);
  std::vector<NodeId> taken = {n}, context;
  // What EmbedLayerNormalization wanted as int32: Gather takes int64 too.
  const auto uncast = [&](ValueId ids) {
    const NodeId cast = ids ? m[ids].def : NodeId{};
    if (!cast || !m[cast].is("Cast") || m[ids].type.dtype != DType::I32 ||
        m[m[cast].in[0]].type.dtype != DType::I64)
      return ids;
    (used_once(m, ids) ? taken : context).push_back(cast);
    return m[cast].in[0];
  };
  const ValueId ids = uncast(input(0));
  Builder b(m, ctx.values, n);
  ValueId sum = b.op("Gather", {input(2), ids});
  ValueId positions;
  if (input(8)) {
    positions = b.op("Gather", {input(3), input(8)});
  } else {  // rows 0 to sequence length, as a Gather: a Slice would keep the table in float
    const auto number = [&](int64_t x, const char* name) {
      return b.scalar(DType::I64, static_cast<double>(x), name);
    };
    const ValueId length = b.op("Gather", {b.op("Shape", {ids}), number(1, "axis")});
    positions = b.op("Gather", {input(3), b.op("Range", {number(0, "first"), length, number(1, "step")})});
  }
  sum = b.op("Add", {sum, positions});
  const std::vector<ValueId> affine = {input(5), input(6)};
  ValueId y;
  const bool standard =
      !input(4) || slow_fusion(ctx.settings.target, "SkipLayerNormalization", word->dtype).has_value();
  if (input(4)) {
    const ValueId segments = b.op("Gather", {input(4), uncast(input(1))});
    if (standard)
      sum = b.op("Sum", {sum, segments});
    else
      y = b.op("SkipLayerNormalization", {sum, segments, affine[0], affine[1]}, attrs({{"epsilon", epsilon}}),
               kContrib);
  }
  if (standard) {
    y = b.op("LayerNormalization", {sum, affine[0], affine[1]},
             attrs({{"axis", int64_t{-1}}, {"epsilon", epsilon}}));
    b.require_opset("", 17);
  }
  ctx.commit(b, {.rule = rule,
                 .root = n,
                 .taken = taken,
                 .context = context,
                 .replace = {{m[n].out[0], y}},
                 .what = "its tables stand alone now"});
}

}  // namespace

void split_fused_weights(PassContext& ctx, const SplitOptions& options) {
  for (const GraphId g : nested_graphs(ctx.model, ctx.model.main()))
    for (const NodeId n : ctx.model.nodes(g)) {
      if (ctx.out_of_fuel()) return;
      const bool wanted = options.attention && (!options.which || options.which(n));
      if (wanted && ctx.model[n].is("Attention", kContrib)) split_attention(ctx, options, n);
      if (options.embeddings && ctx.model[n].is("EmbedLayerNormalization", kContrib))
        split_embed_layer_norm(ctx, options, n);
      split_where_slow(ctx, n);
    }
}

}  // namespace lathe
