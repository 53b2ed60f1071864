// Malformed and hostile files: an input error of one line that names the place, in bounded memory; and files
// that are merely sloppy, which load with a warning.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "ir/base/error.h"
#include "ir/base/mapped_file.h"
#include "ir/core/check.h"
#include "ir/onnx/load.h"
#include "ir/onnx/save.h"
#include "tests/support/bad_models.h"

namespace lathe {
namespace {

using namespace test;
using testing::HasSubstr;
using testing::IsEmpty;

struct Loaded {
  Model model;
  std::vector<std::string> warnings;
};

Loaded load(const std::string& bytes, bool lift = true) {
  Loaded out;
  LoadOptions options{.lift = lift, .warn = [&](const std::string& w) { out.warnings.push_back(w); }};
  out.model = load_model(MappedFile::from_bytes(bytes), "file", ".", options);
  return out;
}

long peak_kilobytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

class Refused : public testing::TestWithParam<BadModel> {};

TEST_P(Refused, InOneLineAndLittleMemory) {
  const BadModel& bad = GetParam();
  const long before = peak_kilobytes();
  try {
    load(bad.bytes);
    FAIL() << "loaded";
  } catch (const Error& e) {
    const std::string what = e.what();
    EXPECT_EQ(e.kind(), ErrorKind::input);
    EXPECT_THAT(what, testing::StartsWith("file: "));
    EXPECT_THAT(what, HasSubstr(bad.says));
    EXPECT_LT(what.size(), 4000U);
    for (const char c : what) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << what;
  }
  EXPECT_LT(peak_kilobytes() - before, 200 * 1024);
}

INSTANTIATE_TEST_SUITE_P(BadInput, Refused, testing::ValuesIn(bad_models()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(BadInputTest, EveryTruncationIsRefusedOrComplete) {
  const std::string whole = model_with(raw_tensor("w", 1, {2}, "abcdefgh")).str();
  for (size_t n = 0; n < whole.size(); ++n) {
    try {
      load(whole.substr(0, n));
      ADD_FAILURE() << "loaded " << n << " of " << whole.size() << " bytes";
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::input);
    }
  }
  EXPECT_NO_THROW(load(whole));
}

TEST(BadInputTest, MissingFileAndOddPaths) {
  EXPECT_THROW(load_model("/nowhere/model.onnx"), Error);
  EXPECT_THROW(load_model("."), Error);
  EXPECT_THROW(load_model("/dev/null"), Error);
}

TEST(BadInputTest, DeepButAllowedNesting) {
  EXPECT_NO_THROW(load(if_nested(150)));
  EXPECT_NO_THROW(load(type_nested(20)));
}

// A chain and a star of 100,000 nodes each load in well under a second.
TEST(BadInputTest, ManyNodes) {
  constexpr int kNodes = 100000;
  std::vector<Msg> chain, star;
  for (int i = 0; i < kNodes; ++i) {
    chain.push_back(node("Relu", {i == 0 ? "x" : "v" + std::to_string(i - 1)}, {"v" + std::to_string(i)}));
    star.push_back(node("Relu", {"x"}, {"v" + std::to_string(i)}));
  }
  for (const auto& nodes : {chain, star}) {
    const auto m = load(model(graph({.nodes = nodes, .outputs = {value("v99999")}})).str()).model;
    EXPECT_EQ(m.nodes(m.main()).size(), static_cast<size_t>(kNodes));
  }
}

// --- sloppy but clear
// ------------------------------------------------------------------------------------------

void expect_same_again(const std::string& bytes) {
  const Loaded l = load(bytes);
  EXPECT_THAT(check_invariants(l.model), IsEmpty());
  EXPECT_EQ(serialize_model(l.model), bytes);
}

TEST(SloppyInputTest, UnsortedNodesAreSortedStably) {
  const auto bytes = model(graph({.nodes = {node("Relu", {"b"}, {"y"}), node("Abs", {"x"}, {"c"}),
                                            node("Neg", {"a"}, {"b"}), node("Abs", {"x"}, {"a"})}}))
                         .str();
  const Loaded l = load(bytes);
  EXPECT_THAT(l.warnings, testing::ElementsAre(HasSubstr("out of order")));
  EXPECT_THAT(check_invariants(l.model), IsEmpty());
  std::string order;
  for (const NodeId n : l.model.nodes(l.model.main())) order += l.model[l.model[n].out[0]].name;
  EXPECT_EQ(order, "caby");
}

TEST(SloppyInputTest, SubgraphUsesWhatComesLater) {
  const Msg body = graph({.nodes = {node("Relu", {"late"}, {"z"})}, .inputs = {}, .outputs = {value("z")}});
  const auto bytes = model(graph({.nodes = {node("If", {"x"}, {"y"}, {graph_attr("then_branch", body)}),
                                            node("Abs", {"x"}, {"late"})}}))
                         .str();
  const Loaded l = load(bytes);
  EXPECT_THAT(l.warnings, testing::ElementsAre(HasSubstr("out of order")));
  EXPECT_THAT(check_invariants(l.model), IsEmpty());
}

TEST(SloppyInputTest, NoGraphNameAndNoOutputType) {
  const auto bytes = model(graph({.nodes = {node("Relu", {"x"}, {"y"})},
                                  .outputs = {Msg().s(field::value_info::name, "y")},
                                  .name = ""}))
                         .str();
  EXPECT_THAT(load(bytes).warnings,
              testing::ElementsAre(HasSubstr("output 'y' has no type"), HasSubstr("the graph has no name")));
  expect_same_again(bytes);
}

TEST(SloppyInputTest, OldModelsWithoutOpsetOrAttributeTypes) {
  const Msg attr = Msg().s(field::attribute::name, "axes").i(field::attribute::ints, 0);
  const auto bytes = model(graph({.nodes = {node("Squeeze", {"x"}, {"y"}, {attr})}}), {}, 1).str();
  const Loaded l = load(bytes, false);
  const NodeId n = l.model.nodes(l.model.main())[0];
  EXPECT_EQ(l.model[n].attrs.ints("axes"), std::vector<int64_t>{0});
  EXPECT_EQ(l.model.opset(""), 1);
  expect_same_again(bytes);
}

TEST(SloppyInputTest, ValuesBesideTheOneThatCounts) {
  const Msg attr = int_attr("a", 7).i(field::attribute::ints, 1);
  Msg before = Msg().s(1, "a").i(3, 7).i(field::attribute::ints, 1).i(field::attribute::type, 2);
  const auto bytes = with_attr(before);
  const Loaded l = load(bytes);
  EXPECT_EQ(l.model[l.model.nodes(l.model.main())[0]].attrs.i("a", 0), 7);
  expect_same_again(bytes);
  EXPECT_NO_THROW(load(with_attr(attr)));
}

TEST(SloppyInputTest, HiddenOuterValueAndSharedNames) {
  // The inner 'a' hides the outer one; branches share names, as exporters do.
  const Msg hides = graph({.nodes = {node("Relu", {"x"}, {"a"}), node("Abs", {"a"}, {"y"})}, .inputs = {}});
  const Msg plain = graph({.nodes = {node("Abs", {"x"}, {"y"})}, .inputs = {}});
  const auto bytes =
      model(graph({.nodes = {node("Neg", {"x"}, {"a"}),
                             node("If", {"a"}, {"y"},
                                  {graph_attr("then_branch", hides), graph_attr("else_branch", plain)})}}))
          .str();
  const Loaded l = load(bytes);
  EXPECT_THAT(l.warnings, testing::ElementsAre(HasSubstr("'a' of a subgraph hides")));
  EXPECT_THAT(check_invariants(l.model), IsEmpty());
  const Loaded again = load(serialize_model(l.model));  // saved with a name of its own
  EXPECT_THAT(again.warnings, IsEmpty());
}

TEST(SloppyInputTest, UnknownDomainIsCarriedWithAWarning) {
  const auto bytes =
      model(graph({.nodes = {node("Thing", {"x"}, {"y"}).s(field::node::domain, "com.example")}})).str();
  EXPECT_THAT(load(bytes).warnings, testing::ElementsAre(HasSubstr("no opset of 'com.example'")));
  expect_same_again(bytes);
}

TEST(SloppyInputTest, OutputsThatAreInputsOrInitializers) {
  const auto bytes = model(graph({.nodes = {},
                                  .initializers = {raw_tensor("w", 1, {2}, "abcdefgh")},
                                  .outputs = {value("x"), value("w"), value("x")}}))
                         .str();
  EXPECT_THAT(load(bytes).warnings, testing::ElementsAre(HasSubstr("listed twice")));
  expect_same_again(bytes);
}

}  // namespace
}  // namespace lathe
