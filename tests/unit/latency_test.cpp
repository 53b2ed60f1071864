// The cost model behind `auto{max-latency}`: what it says of one product beside another.
#include "passes/quant/search/latency.h"

#include <gtest/gtest.h>

#include "ir/onnx/text.h"
#include "passes/analysis/shapes.h"

namespace lathe {
namespace {

LayerOption weights(int bits, int64_t accuracy_level = 0) {
  LayerOption o;
  o.scheme.bits = bits;
  o.scheme.accuracy_level = accuracy_level;
  return o;
}

LayerOption bytes(const char* scheme) {
  LayerOption o;
  o.dynamic = true;
  o.rule.scheme = scheme;
  return o;
}

// Times of the options of one product [n, 384] x [384, 1152] before attention, over all that the model takes;
// `packed`: the weight stood in an Attention.
std::vector<LengthTimes> times(std::vector<LayerOption> options, bool packed = false) {
  Model m = parse_model(R"(
    g (float[b, n, 384] x, float[384, 1152] w, int64[3] sizes) => (float[b, n, 384] y) {
      p = MatMul (x, w)
      q, k, v = Split <axis = -1> (p, sizes)
      y = com.microsoft.MultiHeadAttention <num_heads = 12> (q, k, v)
    })");
  const std::vector<ValueId> in = m.inputs(m.main());
  m.replace_uses(in[1], m.add_initializer(m.main(), Tensor::full(DType::F32, {384, 1152}, 1), "weight"));
  m.replace_uses(in[2], m.add_initializer(m.main(), Tensor::full(DType::I64, {3}, 384), "thirds"));
  analyze_shapes(m);
  const std::vector<WeightSite> sites = find_weight_sites(m);
  EXPECT_EQ(sites.size(), 1U);
  std::vector<Layer> layers(1);
  layers[0].sites = {0};
  layers[0].options = std::move(options);
  set_times(m, sites, packed ? std::set<ValueId>{sites[0].stored} : std::set<ValueId>{}, layers);
  std::vector<LengthTimes> out;
  for (const LayerOption& o : layers[0].options) out.push_back(o.time);
  return out;
}

TEST(Latency, BytesAreFasterAndFewBitsAreNot) {
  const auto t =
      times({bytes("quant-dynamic"), bytes("quant-static"), weights(4), weights(8), weights(8, 4)});
  for (size_t at = 0; at < kLatencyLengths.size(); ++at) {
    EXPECT_LT(t[0][at], -0.2);
    EXPECT_LE(t[1][at], t[0][at]);  // no range to find
    EXPECT_GT(t[2][at], 0);
    EXPECT_GT(t[3][at], t[2][at]);
    EXPECT_LT(t[4][at], t[3][at]);
  }
}

TEST(Latency, WhatStaysAddsNothing) {
  LayerOption stays;
  stays.stays = true;
  const auto t = times({stays});
  EXPECT_EQ(t[0], LengthTimes{});
}

TEST(Latency, WeightsAloneTakeAnAttentionApart) {
  const auto whole = times({bytes("quant-static"), weights(4)}, true),
             parts = times({bytes("quant-static"), weights(4)}, false);
  for (size_t at = 0; at < kLatencyLengths.size(); ++at) {
    EXPECT_GT(whole[1][at], parts[1][at]);
    EXPECT_LE(whole[0][at], parts[0][at]);  // of a shorter whole
  }
}

}  // namespace
}  // namespace lathe
