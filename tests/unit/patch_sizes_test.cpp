#include "passes/core/patch_sizes.h"

#include <gtest/gtest.h>

#include "ir/core/walk.h"
#include "ir/onnx/text.h"

namespace lathe {
namespace {

// Of all nodes of the model, its inputs being the outside.
std::vector<std::map<int64_t, int64_t>> sizes_of(const std::string& text, Model* out = nullptr) {
  Model m = parse_model("<ir_version: 8, opset_import: [\"\": 17]>\n" + text);
  auto sizes = smaller_sizes(m, {}, m.nodes(m.main()), m.inputs(m.main()));
  if (out != nullptr) *out = std::move(m);
  return sizes;
}

using Sizes = std::map<int64_t, int64_t>;

TEST(PatchSizes, RatiosStay) {
  const auto sizes = sizes_of("g (float[1,3,224,112] x) => (float[1,3,224,112] y) { y = Relu (x) }");
  ASSERT_FALSE(sizes.empty());
  EXPECT_EQ(sizes[0], (Sizes{{224, 14}, {112, 7}}));
}

TEST(PatchSizes, SizesOfConstantsStay) {
  const auto sizes = sizes_of(
      "g (float[1500,24] x) => (float[1500] y) <float[24] w = "
      "{1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8,9,1,2,3,4,5,6}> "
      "{ y = MatMul (x, w) }");
  ASSERT_EQ(sizes.size(), 1U);
  EXPECT_EQ(sizes[0], (Sizes{{1500, 41}}));
}

TEST(PatchSizes, IntegersThatMayCountElementsForbid) {
  const std::string graph =
      "g (float[1500] x) => (float[n] y) <int64[1] start = {0}, int64[1] end = {END}> { y = Slice (x, start, "
      "end) }";
  const auto with_end = [&](const std::string& end) {
    std::string text = graph;
    return sizes_of(text.replace(text.find("END"), 3, end));
  };
  EXPECT_TRUE(with_end("1400").empty());
  EXPECT_FALSE(with_end("9223372036854775807").empty());
  EXPECT_FALSE(with_end("-1").empty());
}

TEST(PatchSizes, FeaturesStayInTheSecondTry) {
  Model m;
  const auto sizes = sizes_of(
      "g (float[1,197,192] x) => (float[1,197,3,64] y) <int64[4] to = {1, 197, 3, 64}> { y = Reshape (x, to) "
      "}",
      &m);
  ASSERT_EQ(sizes.size(), 2U);
  EXPECT_EQ(sizes[0], (Sizes{{192, 41}, {197, 43}}));
  EXPECT_EQ(sizes[1], (Sizes{{197, 43}}));
  const auto targets = smaller_targets(m, m.nodes(m.main()), sizes[1]);
  ASSERT_EQ(targets.size(), 1U);
  EXPECT_EQ(targets.begin()->second.tensor()->as_i64(1), 43);
}

}  // namespace
}  // namespace lathe
