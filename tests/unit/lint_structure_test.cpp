// Lints of security, structure and interface: each where it must speak and where it must be silent.
#include <sys/stat.h>

#include <fstream>

#include "ir/base/sha256.h"
#include "tests/support/bad_models.h"
#include "tests/support/lints.h"
#include "tests/support/temp_dir.h"

namespace lathe::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const std::string kEight(8, '\x01');

const BadModel& bad(std::string_view name) {
  static const std::vector<BadModel> all = bad_models();
  return *std::find_if(all.begin(), all.end(), [&](const BadModel& b) { return b.name == name; });
}

TEST(Lints, AreDeclaredWhole) {
  for (const lint::LintDef& l : lint::all_lints()) {
    SCOPED_TRACE(l.id);
    EXPECT_EQ(lint::find_lint(l.id), &l);  // ids are unique
    EXPECT_TRUE(l.run != nullptr);
    EXPECT_FALSE(l.summary.empty() || l.summary.ends_with('.'));
    EXPECT_TRUE(l.help.ends_with('.'));
    EXPECT_FALSE(l.fix.empty() || l.fix.ends_with('.'));
    EXPECT_LE(l.id.size(), 22u);
  }
}

TEST(Lints, AreChosenByIdAndGroup) {
  EXPECT_THAT(lint::choose_lints("unfused"), ElementsAre(lint::find_lint("unfused")));
  EXPECT_EQ(lint::choose_lints("").size(), lint::all_lints().size());
  for (const lint::LintDef* l : lint::choose_lints("security")) EXPECT_EQ(l->group, "security");
  EXPECT_THROW(lint::choose_lints("unfused,nonsense"), Error);
}

TEST(Lints, RefusedFileSaysWhatTheLoaderSays) {
  for (const BadModel& b : bad_models()) {
    SCOPED_TRACE(b.name);
    const std::string name = b.name;
    if (name.starts_with("external_")) continue;
    const auto found = lint_bytes("", b.bytes);
    ASSERT_FALSE(found.empty());
    EXPECT_THAT(found[0].text, HasSubstr(b.says));
  }
  EXPECT_THAT(lint_bytes("refused-file", relu_model().str()), IsEmpty());
}

TEST(Lints, ExternalPathsAreFoundEverywhere) {
  for (const char* name : {"external_parent", "external_parent_inside", "external_absolute", "external_drive",
                           "external_backslash", "external_memory", "external_in_attribute",
                           "external_in_subgraph", "external_in_function", "external_in_sparse"}) {
    SCOPED_TRACE(name);
    EXPECT_THAT(lint_bytes("external-path", bad(name).bytes), SizeIs(1));
  }
  EXPECT_THAT(lint_bytes("external-path", bad("external_missing").bytes), IsEmpty());
  EXPECT_THAT(lint_bytes("external-path", bad("external_in_subgraph").bytes)[0].place,
              HasSubstr("attribute 'then_branch', initializer 'w'"));
}

TEST(Lints, TwoPayloadsAreFoundEverywhere) {
  for (const char* name : {"two_payloads", "two_typed_payloads", "raw_twice", "two_payloads_in_attribute",
                           "two_payloads_in_function_default", "external_and_raw"}) {
    SCOPED_TRACE(name);
    EXPECT_THAT(lint_bytes("two-payloads", bad(name).bytes), SizeIs(1));
  }
  EXPECT_THAT(lint_bytes("two-payloads", model_with(raw_tensor("w", 1, {2}, kEight)).str()), IsEmpty());
  EXPECT_THAT(lint_bytes("two-payloads", bad("external_missing").bytes), IsEmpty());
}

// A model whose weight w (two floats) lies in w.bin, and more entries for it.
std::string external(const std::vector<std::pair<std::string, std::string>>& more = {}) {
  std::vector<std::pair<std::string, std::string>> entries = {{"location", "w.bin"}};
  entries.insert(entries.end(), more.begin(), more.end());
  return model_with(external_tensor("w", {2}, entries)).str();
}

TEST(Lints, ExternalLinks) {
  const TempDir dir, elsewhere;
  elsewhere.write("secret", kEight);
  const auto look = [&] { return lint_bytes("external-link", external(), dir.path()); };
  dir.write("w.bin", kEight);
  EXPECT_THAT(look(), IsEmpty());
  std::filesystem::create_hard_link(dir / "w.bin", dir / "other");
  ASSERT_THAT(look(), SizeIs(1));
  EXPECT_THAT(look()[0].text, HasSubstr("2 hard links"));
  std::filesystem::remove(dir / "w.bin");
  EXPECT_THAT(look(), IsEmpty());  // missing: external-range's matter
  std::filesystem::create_symlink(elsewhere / "secret", dir / "w.bin");
  ASSERT_THAT(look(), SizeIs(1));
  EXPECT_THAT(look()[0].text, HasSubstr("link"));
  std::filesystem::remove(dir / "w.bin");
  ASSERT_EQ(::mkfifo((dir / "w.bin").c_str(), 0600), 0);
  ASSERT_THAT(look(), SizeIs(1));
  EXPECT_THAT(look()[0].text, HasSubstr("not a regular file"));
}

TEST(Lints, ExternalRanges) {
  const TempDir dir;
  const auto look = [&](const std::string& model) { return lint_bytes("external-range", model, dir.path()); };
  ASSERT_THAT(look(external()), SizeIs(1));
  EXPECT_THAT(look(external())[0].text, HasSubstr("No such file"));
  dir.write("w.bin", kEight);
  EXPECT_THAT(look(external()), IsEmpty());
  const auto past = look(external({{"offset", "4"}, {"length", "8"}}));
  ASSERT_THAT(past, SizeIs(1));
  EXPECT_THAT(past[0].text, HasSubstr("has 8 bytes and 8 from 4 on are asked for"));
  const auto length = look(external({{"length", "4"}}));
  ASSERT_THAT(length, SizeIs(1));
  EXPECT_THAT(length[0].text, HasSubstr("length is 4"));
  // Other lints go on without the data.
  EXPECT_THAT(lint_bytes("refused-file", external({{"length", "4"}}), dir.path()), IsEmpty());
}

TEST(Lints, ExternalChecksums) {
  const TempDir dir;
  dir.write("w.bin", kEight);
  const std::string right = sha256_hex(std::as_bytes(std::span(kEight)));
  std::string wrong = right;
  wrong[0] = wrong[0] == '0' ? '1' : '0';
  const auto look = [&](const std::string& sum) {
    return lint_bytes("external-checksum", external({{"checksum", sum}}), dir.path());
  };
  EXPECT_THAT(look(right), IsEmpty());
  ASSERT_THAT(look(wrong), SizeIs(1));
  EXPECT_THAT(look(wrong)[0].text, HasSubstr(right));
}

TEST(Lints, UnreachableData) {
  const std::string bytes(400, '\x3f');
  const auto with = [&](const std::string& result) {
    return model(graph({.nodes = {node("Add", {"x", "w"}, {"a"}), node("Relu", {"x"}, {"b"}),
                                  node("Relu", {result}, {"y"})},
                        .initializers = {raw_tensor("w", 1, {100}, bytes)}}))
        .str();
  };
  EXPECT_THAT(places(lint_bytes("unreachable-data", with("b"))), ElementsAre("w"));
  EXPECT_THAT(lint_bytes("unreachable-data", with("a")), IsEmpty());
  EXPECT_THAT(places(lint_text("unreachable-data", R"(<ir_version: 10, opset_import: ["" : 21, "mine" : 1]>
    g (float[2] x) => (float[2] y) { y = mine.f (x) }
    <domain: "mine", opset_import: ["" : 21]> f (x) => (y) { y = Relu (x) }
    <domain: "mine", opset_import: ["" : 21]> hidden (x) => (y) { y = Relu (x) })")),
              ElementsAre("hidden"));
}

TEST(Lints, SloppyFile) {
  GraphParts p{.nodes = {node("Relu", {"x"}, {"y"})}};
  EXPECT_THAT(lint_bytes("sloppy-file", model(graph(p)).str()), IsEmpty());
  p.name = "";
  const auto found = lint_bytes("sloppy-file", model(graph(p)).str());
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_THAT(found[0].text, HasSubstr("the graph has no name"));
}

TEST(Lints, OverridableWeights) {
  const auto with = [](size_t count) {
    GraphParts p{
        .nodes = {node("Add", {"x", "w"}, {"y"})},
        .initializers = {raw_tensor("w", 1, {static_cast<int64_t>(count)}, std::string(4 * count, '\1'))},
        .inputs = {value("x"), value("w")}};
    return model(graph(p)).str();
  };
  EXPECT_THAT(places(lint_bytes("overridable-weights", with(1000))), ElementsAre("w"));
  EXPECT_THAT(lint_bytes("overridable-weights", with(2)), IsEmpty());
}

TEST(Lints, UnusedInitializer) {
  EXPECT_THAT(places(lint_text("unused-initializer", R"(g (float[2] x) => (float[2] y)
    <float[2] used = {1, 2}, float[2] spare = {3, 4}> { y = Add (x, used) })")),
              ElementsAre("spare"));
  EXPECT_THAT(lint_text("unused-initializer", R"(g (float[2] x) => (float[2] y, float[2] w)
    <float[2] w = {1, 2}> { y = Relu (x) })"),
              IsEmpty());
}

TEST(Lints, FalseDynamicAxis) {
  const auto found = lint_text("false-dynamic-axis", R"(g (float[n, 6] x) => (float[n, 2, 3] y)
    <int64[3] shape = {1, 2, 3}> { [bake] y = Reshape (x, shape) })");
  ASSERT_THAT(places(found), ElementsAre("x", "y"));
  EXPECT_THAT(found[0].text, HasSubstr("can only be 1: Reshape 'bake'"));
  EXPECT_THAT(lint_text("false-dynamic-axis", R"(g (float[n, 6] x) => (float[n, 2, 3] y)
    <int64[3] shape = {-1, 2, 3}> { y = Reshape (x, shape) })"),
              IsEmpty());
}

}  // namespace
}  // namespace lathe::test
