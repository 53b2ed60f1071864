// Lints of security, structure and interface: each where it must speak and where it must be silent.
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
