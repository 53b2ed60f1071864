#include "ir/onnx/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ir/base/error.h"
#include "ir/core/check.h"

namespace lathe {
namespace {

using testing::HasSubstr;

std::string error_of(std::string_view text) {
  try {
    parse_model(text);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::input);
    return e.what();
  }
  return "parsed";
}

TEST(TextTest, GraphAloneGetsTheNewestOpset) {
  const Model m = parse_model("g (float[N,2] x) => (float[N,2] y) <float[2] w = {1, 2}> { y = Add(x, w) }");
  EXPECT_THAT(check_invariants(m), testing::IsEmpty());
  EXPECT_GE(m.opset(""), 25);
  EXPECT_EQ(m.opset("com.microsoft"), 1);
  EXPECT_EQ(m[m.main()].inputs[0].type.str(), "float[N, 2]");
  ASSERT_EQ(m[m.main()].initializers.size(), 1U);
  EXPECT_THAT(m.constant(m[m.main()].initializers[0])->to_doubles(), testing::ElementsAre(1, 2));
}

TEST(TextTest, WholeModelPrintsAsItWasRead) {
  const std::string text = print_model(parse_model(R"(
    <ir_version: 8, opset_import: ["" : 17, "local" : 1]>
    g (float[N] x) => (float[N] y) { y = local.f <alpha = 2.0> (x) }
    <domain: "local", opset_import: ["" : 17]>
    f <alpha> (a) => (b) { c = Constant <value_float: float = @alpha> () b = Mul(a, c) }
  )"));
  EXPECT_EQ(print_model(parse_model(text)), text);
  EXPECT_THAT(text, HasSubstr("opset_import: [\"\" : 17, \"local\" : 1]"));
  EXPECT_THAT(text, HasSubstr("@alpha"));
}

TEST(TextTest, NodeWithSubgraphAndUnnamedValues) {
  Model m = parse_model(
      "g (bool c, float[2] x) => (float[2] y) { y = If (c) <then_branch = t () => (float[2] a) { a = "
      "Relu(x) }, else_branch = e () => (float[2] b) { b = Neg(x) }> }");
  const NodeId n = m.nodes(m.main())[0];
  EXPECT_THAT(print_node(m, n), HasSubstr("a = Relu (x)"));
  const NodeId fresh = m.create("", "Relu", {m.inputs(m.main())[1]}, {}, 1);
  EXPECT_THAT(print_node(m, fresh), testing::MatchesRegex("\"?%[0-9]+\"? = Relu \\(x\\)"));
}

TEST(TextTest, LargeTensorsAreNotSpelledOut) {
  Model m = parse_model("g (float[1000] x) => (float[1000] y) { y = Identity(x) }");
  Attrs attrs;
  attrs.set("value", std::make_shared<const Tensor>(Tensor::make(DType::F32, {1000})));
  const NodeId n = m.create("", "Constant", {}, std::move(attrs), 1, {}, {"k"});
  EXPECT_LT(print_node(m, n).size(), 200U);
}

TEST(TextTest, ErrorsHaveLineAndColumn) {
  EXPECT_THAT(error_of("g (float[2] x) => (float[2] y) {\n y = Add(x,\n }"), HasSubstr("line 3 column"));
  EXPECT_THAT(error_of(""), HasSubstr("line 1"));
  EXPECT_THAT(error_of("g (float[2] x) => (float[2] y) { y = Relu(z) }"),
              HasSubstr("'z' is defined nowhere"));
  EXPECT_THAT(error_of("g (float[2] x) => (float[2] y) { y = Relu(x) } g"), HasSubstr("follows"));
}

}  // namespace
}  // namespace lathe
