#include "ir/onnx/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <climits>

namespace lathe {
namespace {

using testing::ElementsAre;

TEST(Schema, VersionInForce) {
  EXPECT_EQ(op_version("", "Add", 17), 14);
  EXPECT_EQ(op_version("ai.onnx", "Add", 6), 6);
  EXPECT_EQ(op_version("", "LayerNormalization", 16), 0);
  EXPECT_EQ(first_version("", "LayerNormalization"), 17);
  EXPECT_EQ(op_version("", "NoSuchOp", 17), 0);
  EXPECT_EQ(op_version("com.microsoft", "MatMulNBits", 1), 1);
  EXPECT_GE(newest_opset(), 28);
  EXPECT_EQ(newest_opset("ai.onnx.ml"), 5);
  EXPECT_EQ(newest_opset("com.microsoft"), 1);
  EXPECT_EQ(newest_opset("org.example"), 0);
}

TEST(Schema, OnnxOp) {
  const Schema* s = find_schema("", "Squeeze", 11);
  ASSERT_NE(s, nullptr);
  EXPECT_EQ(s->since, 11);
  EXPECT_EQ(s->max_inputs, 1);
  EXPECT_EQ(s->attrs.at("axes").kind, AttrKind::Ints);
  EXPECT_EQ(find_schema("", "Squeeze", 17)->max_inputs, 2);
  EXPECT_EQ(find_schema("", "Squeeze", 11), s);

  const Schema* conv = find_schema("", "Conv", 17);
  EXPECT_EQ(std::get<std::string>(conv->attrs.at("auto_pad").otherwise), "NOTSET");
  EXPECT_THAT(conv->input_names, ElementsAre("X", "W", "B"));
  EXPECT_EQ(conv->min_inputs, 2);
  EXPECT_TRUE(find_schema("", "Upsample", 10)->deprecated);
  EXPECT_TRUE(find_schema("", "Gelu", 20)->has_function);
  EXPECT_EQ(find_schema("", "Concat", 13)->max_inputs, INT_MAX);
  EXPECT_THAT(find_schema("", "SequenceAt", 11)->input_types[1], ElementsAre(DType::I32, DType::I64));
}

TEST(Schema, ContribOp) {
  const Schema* s = find_schema("com.microsoft", "MatMulNBits", 1);
  ASSERT_NE(s, nullptr);
  EXPECT_EQ(s->min_inputs, 3);
  EXPECT_EQ(s->max_inputs, 6);
  EXPECT_TRUE(s->attrs.at("K").required);
  EXPECT_EQ(std::get<int64_t>(s->attrs.at("bits").otherwise), 4);
  EXPECT_THAT(s->input_types[1], ElementsAre(DType::U8));
  EXPECT_EQ(find_schema("com.microsoft", "QLinearConcat", 1)->min_inputs, 3);
  EXPECT_EQ(find_schema("com.microsoft", "QLinearConcat", 1)->max_inputs, INT_MAX);
  EXPECT_EQ(
      std::get<float>(find_schema("", "SimplifiedLayerNormalization", 11)->attrs.at("epsilon").otherwise),
      1e-5f);
}

// Every entry of both tables can be built: a slip in the packed text or in the generated list shows here.
TEST(Schema, AllBuild) {
  const auto all = all_schemas();
  EXPECT_GT(all.size(), 300u);
  for (const auto& [domain, type] : all) {
    const Schema* s = find_schema(domain, type, newest_opset(domain));
    ASSERT_NE(s, nullptr) << domain << " " << type;
    EXPECT_EQ(s->domain, domain);
    EXPECT_EQ(s->type, type);
    EXPECT_LE(s->min_inputs, s->max_inputs) << type;
    if (s->deprecated) continue;
    for (const auto& types : s->input_types) EXPECT_FALSE(types.empty()) << type;
    for (const auto& [name, a] : s->attrs) EXPECT_NE(a.kind, AttrKind::Undefined) << type << " " << name;
  }
}

}  // namespace
}  // namespace lathe
