#include "passes/core/patch_sizes.h"

#include <gtest/gtest.h>

#include "ir/core/walk.h"
#include "ir/onnx/text.h"

namespace lathe {
namespace {

using Sizes = std::map<int64_t, int64_t>;

// A graph as a patch: its first `before` nodes are the old side (all of them without a number), the others
// the new one, its inputs the outside.
struct Graph {
  Model m;
  std::vector<NodeId> before, after;
  std::vector<ValueId> outside;

  explicit Graph(const std::string& text, size_t old = 99)
      : m(parse_model("<ir_version: 8, opset_import: [\"\": 17]>\n" + text)), outside(m.inputs(m.main())) {
    for (const NodeId n : m.nodes(m.main())) (before.size() < old ? before : after).push_back(n);
  }
  PatchSides sides() const { return {before, after, outside, {}}; }
  std::vector<Sizes> sizes() const { return smaller_sizes(m, {}, sides()); }
  auto constants(const Sizes& sizes) const { return smaller_constants(m, sides(), sizes); }
};

const std::string kWeight24 = "<float[24] w = {1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8,9,1,2,3,4,5,6}>";

TEST(PatchSizes, RatiosStay) {
  const auto sizes = Graph("g (float[1,3,224,112] x) => (float[1,3,224,112] y) { y = Relu (x) }").sizes();
  ASSERT_FALSE(sizes.empty());
  EXPECT_EQ(sizes[0], (Sizes{{224, 14}, {112, 7}}));
}

TEST(PatchSizes, ConstantsOfOneSideStay) {
  const auto sizes =
      Graph("g (float[1500,24] x) => (float[1500] y) " + kWeight24 + " { y = MatMul (x, w) }").sizes();
  ASSERT_EQ(sizes.size(), 1U);
  EXPECT_EQ(sizes[0], (Sizes{{1500, 13}}));
}

TEST(PatchSizes, ConstantsOfBothSidesAreSampled) {
  const Graph g("g (float[48,24] x) => (float[48,24] y, float[48,24] z) " + kWeight24 +
                    " { y = Add (x, w) z = Add (w, x) }",
                1);
  const auto sizes = g.sizes();
  ASSERT_FALSE(sizes.empty());
  EXPECT_EQ(sizes[0], (Sizes{{24, 6}, {48, 12}}));
  const auto constants = g.constants(sizes[0]);
  ASSERT_EQ(constants.size(), 1U);
  EXPECT_EQ(constants.begin()->second.tensor()->to_doubles(), (std::vector<double>{1, 5, 1, 5, 1, 6}));
}

TEST(PatchSizes, SizesThatAttributesNameStay) {
  const auto sizes = Graph(
                         "g (float[1,24,224,224] x, float[24,1,3,3] w) => (float[1,24,222,222] y) "
                         "{ y = Conv <group = 24> (x, w) }")
                         .sizes();
  ASSERT_FALSE(sizes.empty());
  EXPECT_EQ(sizes[0], (Sizes{{224, 7}}));
}

TEST(PatchSizes, SizesOfManyIntegersStay) {
  std::string codes = "0";
  for (int i = 1; i < 80; ++i) codes += ", 1";
  const Graph g("g (float[2,1500] x) => (float[80,1500] y, float[80,1500] z) <int64[80] i = {" + codes +
                    "}> { y = Gather <axis = 0> (x, i) z = Gather <axis = 0> (x, i) }",
                1);
  const auto sizes = g.sizes();
  ASSERT_FALSE(sizes.empty());
  EXPECT_EQ(sizes[0], (Sizes{{1500, 13}}));
  EXPECT_TRUE(g.constants(sizes[0]).empty());
}

TEST(PatchSizes, IntegersThatMayCountElementsForbid) {
  const std::string graph =
      "g (float[1500] x) => (float[n] y) <int64[1] start = {0}, int64[1] end = {END}> { y = Slice (x, start, "
      "end) }";
  const auto with_end = [&](const std::string& end) {
    std::string text = graph;
    return Graph(text.replace(text.find("END"), 3, end)).sizes();
  };
  EXPECT_TRUE(with_end("1400").empty());
  EXPECT_FALSE(with_end("9223372036854775807").empty());
  EXPECT_FALSE(with_end("-1").empty());
}

TEST(PatchSizes, FeaturesStayInTheSecondTry) {
  const Graph g(
      "g (float[1,197,192] x) => (float[1,197,3,64] y) <int64[4] to = {1, 197, 3, 64}> { y = Reshape (x, to) "
      "}");
  const auto sizes = g.sizes();
  ASSERT_EQ(sizes.size(), 2U);
  EXPECT_EQ(sizes[0], (Sizes{{192, 13}, {197, 17}}));
  EXPECT_EQ(sizes[1], (Sizes{{197, 17}}));
  const auto targets = g.constants(sizes[1]);
  ASSERT_EQ(targets.size(), 1U);
  EXPECT_EQ(targets.begin()->second.tensor()->as_i64(1), 17);
}

}  // namespace
}  // namespace lathe
