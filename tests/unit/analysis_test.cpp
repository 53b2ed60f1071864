// Shapes, relations, axes, ranges and cost of small graphs whose answers are known.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ir/onnx/text.h"
#include "passes/analysis/axes.h"
#include "passes/analysis/cost.h"
#include "passes/analysis/ranges.h"
#include "passes/analysis/shapes.h"

namespace lathe {
namespace {

using testing::HasSubstr;

ValueId value(const Model& m, std::string_view name) {
  for (NodeId n = m[m.main()].first; n; n = m[n].next)
    for (const ValueId v : m[n].out)
      if (v && m[v].name == name) return v;
  for (const ValueId v : m.inputs(m.main()))
    if (m[v].name == name) return v;
  ADD_FAILURE() << "no value " << name;
  return {};
}

std::string shape_text(const Model& m, std::string_view name) {
  return to_string(*m[value(m, name)].type.shape);
}

std::string error_of(const std::string& text) {
  Model m = parse_model(text);
  try {
    analyze_shapes(m);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::input);
    return e.what();
  }
  return "no error";
}

TEST(Shapes, DividesByFormulas) {
  const Dim b = Dim::symbol("b"), p = Dim::symbol("p"), s = Dim::symbol("s");
  EXPECT_EQ(*Dim::exact_div(512 * b * p + 512 * b, 64 * p + 64), 8 * b);
  EXPECT_EQ(*Dim::exact_div((p + s) * (b + 3), p + s), b + 3);
  EXPECT_FALSE(Dim::exact_div(b * p + s, p + 1));
}

TEST(Shapes, SumsThatMustAgreeDefineASymbol) {
  Model m = parse_model(R"(g (float[b, past] k, float[b, new] x, float[total, 4] w) => (float[b, 4] y) {
    all = Concat <axis = 1> (k, x)
    y = MatMul (all, w)
  })");
  const Shapes s = analyze_shapes(m);
  ASSERT_EQ(s.solved.size(), 1u);
  EXPECT_EQ(s.solved[0].symbol, "total");
  EXPECT_EQ(s.solved[0].value, Dim::symbol("past") + Dim::symbol("new"));
  EXPECT_EQ(m[s.solved[0].node].type, "MatMul");
  EXPECT_EQ(shape_text(m, "w"), "[new + past, 4]");
}

TEST(Shapes, TwoNodesThatNeedDifferentSizesAreNamed) {
  const std::string error =
      error_of(R"(g (float[n, 4] x, float[3, 2] a, float[5, 2] c) => (float[4, 2] y, float[4, 2] z) {
    t = Transpose <perm = [1, 0]> (x)
    [first] y = MatMul (t, a)
    [second] z = MatMul (t, c)
  })");
  EXPECT_THAT(error, HasSubstr("'second'"));
  EXPECT_THAT(error, HasSubstr("'first'"));
  EXPECT_THAT(error, HasSubstr("n = 3"));
}

TEST(Shapes, AContradictionSaysWhereItsOperandsComeFrom) {
  const std::string error = error_of(R"(g (float[2, 3] x, float[2, 4] z) => (float[2, 3] y) {
    [left] a = Relu (x)
    [right] b = Neg (z)
    [sum] y = Add (a, b)
  })");
  EXPECT_THAT(error, HasSubstr("'sum'"));
  EXPECT_THAT(error, HasSubstr("'left'"));
  EXPECT_THAT(error, HasSubstr("'right'"));
}

TEST(Shapes, WhatALoopKeepsStaysKnown) {
  Model m =
      parse_model(R"(g (float[b, 8] x, int64 n) => (float[b, 8] y, float[d0, d1] grown, float[e0, e1, e2] all)
    <bool go = {1}> {
    y, grown, all = Loop (n, go, x, x) <body = step (int64 i, bool c, float h, float acc) => (bool c2, float h2, float acc2, float out) {
      c2 = Identity (c)
      h2 = Relu (h)
      acc2 = Concat <axis = 1> (acc, h)
      out = Neg (h2)
    }>
  })");
  analyze_shapes(m, {.trust_declared = false});
  EXPECT_EQ(shape_text(m, "y"), "[b, 8]");
  EXPECT_EQ((*m[value(m, "grown")].type.shape)[0], Dim::symbol("b"));
  EXPECT_TRUE((*m[value(m, "grown")].type.shape)[1].is_unknown());
  const Shape& all = *m[value(m, "all")].type.shape;
  EXPECT_EQ(to_string(Shape(all.begin() + 1, all.end())), "[b, 8]");
}

TEST(Axes, FreeWhereNothingPinsThem) {
  Model m = parse_model(R"(g (int64[batch, seq] ids) => (float[batch, seq, 3] y)
    <float[5, 3] table = {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15}> { y = Gather (table, ids) })");
  const Axes a = analyze_axes(m);
  EXPECT_EQ(a.batch.kind, AxisVerdict::Kind::free);
  EXPECT_EQ(a.sequence.kind, AxisVerdict::Kind::free);
  EXPECT_EQ(a.batch.symbol, "batch");
  EXPECT_EQ(a.sequence.symbol, "seq");
  EXPECT_TRUE(a.warnings.empty());
}

TEST(Axes, TheReshapeThatFreezesTheBatchIsNamed) {
  Model m = parse_model(R"(g (float[batch, 6, 8] x) => (float[batch, 48] y) <int64[2] to = {1, 48}> {
    [freeze] y = Reshape (x, to)
  })");
  const Axes a = analyze_axes(m);
  EXPECT_EQ(a.batch.kind, AxisVerdict::Kind::clamped);
  EXPECT_EQ(a.batch.size, 1);
  EXPECT_THAT(a.batch.why, HasSubstr("'freeze'"));
  ASSERT_EQ(a.warnings.size(), 1u);
  EXPECT_THAT(a.warnings[0], HasSubstr("batch_size=1"));
}

TEST(Axes, StaticOutputsUnderDynamicInputsClampTheBatch) {
  Model m = parse_model(R"(g (float[batch, 4] x) => (float[1, 4] y) { y = Relu (x) })");
  const Axes a = analyze_axes(m);
  EXPECT_EQ(a.batch.kind, AxisVerdict::Kind::clamped);
  EXPECT_EQ(a.outputs[0].axes[0].proven, AxisFact::Kind::symbolic);
  EXPECT_THAT(a.batch.why, HasSubstr("declared"));
}

TEST(Axes, FixedShapesAreFixed) {
  Model m = parse_model(R"(g (int64[1, 7] ids) => (float[1, 7, 3] y)
    <float[2, 3] table = {1,2,3,4,5,6}> { y = Gather (table, ids) })");
  const Axes a = analyze_axes(m);
  EXPECT_EQ(a.batch.kind, AxisVerdict::Kind::fixed);
  EXPECT_EQ(a.batch.size, 1);
  EXPECT_EQ(a.sequence.kind, AxisVerdict::Kind::fixed);
  EXPECT_EQ(a.sequence.size, 7);
  EXPECT_EQ(a.warnings.size(), 2u);
}

TEST(Axes, BakedInPositionsFixTheSequence) {
  Model m = parse_model(R"(g (float[batch, seq, 2] x) => (float[batch, seq, 2] y)
    <float[1, 3, 2] places = {1,2,3,4,5,6}> {
    [stretch] y = Add (x, places)
  })");
  const Axes a = analyze_axes(m);
  EXPECT_EQ(a.batch.kind, AxisVerdict::Kind::free);
  EXPECT_EQ(a.sequence.kind, AxisVerdict::Kind::fixed);
  EXPECT_EQ(a.sequence.size, 3);
  EXPECT_THAT(a.sequence.why, HasSubstr("'stretch'"));
}

TEST(Axes, ABakedInProductOfBothClampsTheBatch) {
  Model m = parse_model(R"(g (float[batch, seq, 2] x) => (float[1, 12, 2] y) <int64[3] to = {1, 12, 2}> {
    [bake] y = Reshape (x, to)
  })");
  const Axes a = analyze_axes(m);
  EXPECT_EQ(a.batch.kind, AxisVerdict::Kind::clamped);
  EXPECT_THAT(a.batch.why, HasSubstr("batch*seq = 12"));
  EXPECT_EQ(a.sequence.kind, AxisVerdict::Kind::fixed);
  EXPECT_EQ(a.sequence.size, 12);
}

TEST(Axes, ATableOfPositionsLimitsTheSequence) {
  Model m = parse_model(R"(g (int64[batch, seq] ids) => (float[batch, seq, 2] y)
    <float[9, 2] words = {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18},
     float[4, 2] places = {1,2,3,4,5,6,7,8}, int64 zero = {0}, int64 one = {1}> {
    w = Gather (words, ids)
    shape = Shape (ids)
    n = Gather (shape, one)
    at = Range (zero, n, one)
    [where] p = Gather (places, at)
    y = Add (w, p)
  })");
  const Axes a = analyze_axes(m);
  ASSERT_TRUE(a.sequence.most);
  EXPECT_EQ(*a.sequence.most, 4);
  EXPECT_THAT(a.sequence.why, HasSubstr("'where'"));
}

TEST(Ranges, FollowFunctions) {
  Model m = parse_model(
      R"(g (int64[b, s] ids, int64[b, s] mask, float[b, s] x) => (float[b, s] soft, float[b, s] bias, float[b, s, 1] e)
    <float[5, 1] table = {1,2,3,4,5}, float one = {1}, float big = {-10000}> {
    soft = Softmax (x)
    f = Cast <to = 1> (mask)
    inverted = Sub (one, f)
    bias = Mul (inverted, big)
    e = Gather (table, ids)
  })");
  const Shapes s = analyze_shapes(m);
  const Ranges r = analyze_ranges(m, s.values);
  const auto range = [&](std::string_view name) {
    const Range* found = r.find(value(m, name));
    return found == nullptr ? Range{} : *found;
  };
  EXPECT_EQ(range("ids").low, 0);
  EXPECT_EQ(range("ids").high, 4);
  EXPECT_EQ(range("mask").high, 1);
  EXPECT_NEAR(range("soft").high, 1, 1e-5);
  EXPECT_NEAR(range("soft").low, 0, 1e-5);
  EXPECT_NEAR(range("bias").low, -10000, 0.1);
  EXPECT_NEAR(range("bias").high, 0, 1e-5);
  EXPECT_NEAR(range("e").high, 5, 1e-4);
  EXPECT_EQ(r.find(value(m, "x")), nullptr);
}

TEST(Cost, OfAProductAndItsPeak) {
  Model m = parse_model(R"(g (float[b, 4] x) => (float[b, 2] y)
    <float[4, 8] w = {1,2,3,4,5,6,7,8,1,2,3,4,5,6,7,8,1,2,3,4,5,6,7,8,1,2,3,4,5,6,7,8},
     float[8, 2] v = {1,2,3,4,5,6,7,8,1,2,3,4,5,6,7,8}> {
    h = MatMul (x, w)
    r = Relu (h)
    y = MatMul (r, v)
  })");
  analyze_shapes(m);
  const ModelCost c = analyze_cost(m);
  const Dim b = Dim::symbol("b");
  EXPECT_EQ(c.total.macs, 32 * b + 16 * b);
  EXPECT_EQ(c.total.flops, 96 * b + 8 * b);
  EXPECT_EQ(c.total.parameters, 48);
  EXPECT_EQ(c.total.weight_bytes, 192);
  EXPECT_EQ(c.total.written, 4 * b * 18);
  const auto top = peak(c, {{"b", 3}});
  ASSERT_TRUE(top);
  EXPECT_EQ(m[c.live[*top].node].type, "Relu");  // h and r, 8 floats each
  EXPECT_EQ(c.live[*top].bytes, 64 * b);
}

TEST(Cost, ViewsShareTheirOperandsMemory) {
  Model m = parse_model(R"(g (float[b, 8] x) => (float[b, 2, 4] y) <int64[3] to = {0, 2, 4}> {
    h = Relu (x)
    v = Reshape (h, to)
    y = Neg (v)
  })");
  analyze_shapes(m);
  const ModelCost c = analyze_cost(m);
  const auto top = peak(c, {{"b", 1}});
  ASSERT_TRUE(top);
  EXPECT_EQ(c.live[*top].bytes, 64 * Dim::symbol("b"));
}

}  // namespace
}  // namespace lathe
