// Policies: what the reader takes and refuses, which rule decides, and the knapsack behind `auto`.
#include "passes/quant/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "passes/quant/glob.h"
#include "passes/quant/search/knapsack.h"
#include "tests/support/temp_dir.h"

namespace lathe {
namespace {

using test::TempDir;
using testing::HasSubstr;

std::string refusal(const TempDir& dir, const std::string& file = "p.xml") {
  try {
    (void)read_policy(dir / file);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::input);
    return e.what();
  }
  return "nothing is wrong";
}

struct Bad {
  const char* name;
  std::string text;
  const char *place, *says;  // place: ":line:column:"
};

class BadPolicy : public testing::TestWithParam<Bad> {};

TEST_P(BadPolicy, IsRefusedWithItsPlace) {
  const TempDir dir;
  dir.write("p.xml", GetParam().text);
  EXPECT_THAT(refusal(dir), HasSubstr(std::string("p.xml") + GetParam().place));
  EXPECT_THAT(refusal(dir), HasSubstr(GetParam().says));
}

std::string nested(int depth) {
  std::string text;
  for (int i = 0; i < depth; ++i) text += "<policy>";
  return text;
}

INSTANTIATE_TEST_SUITE_P(
    Policy, BadPolicy,
    testing::Values(
        Bad{"empty", "", ":1:1:", "XML"}, Bad{"open", "<policy>\n  <rule", ":", "not well-formed"},
        Bad{"other_root", "<rules/>", ":1:2:", "wanted is <policy>"},
        Bad{"other_element", "<policy>\n  <rules/>\n</policy>", ":2:4:", "no element <rules>"},
        Bad{"scheme_missing", "<policy>\n\n <rule role=\"norm\"/></policy>", ":3:3:", "no scheme"},
        Bad{"scheme", "<policy>\n  <rule role=\"norm\" scheme=\"int5\"/>\n</policy>",
            ":2:21:", "scheme=\"int5\": known are float, quant2, quant4, quant8"},
        Bad{"role", "<policy><rule scheme=\"float\"\n  role=\"brain\"/></policy>",
            ":2:3:", "known are other, embedding"},
        Bad{"attribute", "<policy><rule scheme=\"float\" colour=\"red\"/></policy>",
            ":1:30:", "no attribute 'colour'"},
        Bad{"root_attribute", "<policy version=\"2\"/>", ":1:9:", "no attribute 'version'"},
        Bad{"twice", "<policy><rule scheme=\"float\" op=\"A\" op=\"B\"/></policy>",
            ":1:1:", "not well-formed"},
        Bad{"block", "<policy><rule scheme=\"quant4\" block=\"24\"/></policy>", ":1:31:", "known are 16, 32"},
        Bad{"block_of_float", "<policy><rule scheme=\"float\" block=\"32\"/></policy>",
            ":1:30:", "has no block"},
        Bad{"block_of_half", "<policy><rule scheme=\"fp16\" block=\"32\"/></policy>",
            ":1:29:", "scheme \"fp16\" has no block"},
        Bad{"rounding_of_half", "<policy><rule rounding=\"gptq\" scheme=\"bf16\"/></policy>",
            ":1:15:", "scheme \"bf16\" has no rounding"},
        Bad{"layers", "<policy><rule scheme=\"float\" layers=\"3-1\"/></policy>",
            ":1:30:", "numbers and ranges"},
        Bad{"layers_huge", "<policy><rule scheme=\"float\" layers=\"99999999999\"/></policy>",
            ":1:30:", "ranges"},
        Bad{"layers_comma", "<policy><rule scheme=\"float\" layers=\"1,\"/></policy>", ":1:30:", "ranges"},
        Bad{"share", "<policy><rule scheme=\"float\" share-above=\"nan\"/></policy>",
            ":1:30:", "from 0 to 1"},
        Bad{"shares", "<policy><rule scheme=\"float\" share-above=\"0.5\" share-below=\"0.2\"/></policy>",
            ":1:10:", "nothing can match"},
        Bad{"text", "<policy>\n  words\n</policy>", ":", "text outside of rules"},
        Bad{"inside_rule", "<policy><rule scheme=\"float\"><rule scheme=\"float\"/></rule></policy>",
            ":1:31:", "holds no element"},
        Bad{"entities", "<!DOCTYPE p [<!ENTITY a \"b\">]>\n<policy/>", ":1:", ""},
        Bad{"laughs", "<!DOCTYPE policy SYSTEM \"x\">\n<policy/>", ":1:1:", "no DOCTYPE"},
        Bad{"deep", nested(5000), ":1:1:", "nested more than"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(PolicyTest, FilesThatAreNoPolicies) {
  const TempDir dir;
  EXPECT_THAT(refusal(dir), HasSubstr("not there"));
  dir.write("p.xml", std::string((1 << 20) + 1, ' '));
  EXPECT_THAT(refusal(dir), HasSubstr("more than 1 MB"));
  dir.write("p.xml", std::string("<policy/>\0<policy/>", 19));
  EXPECT_THAT(refusal(dir), HasSubstr("zero byte"));
  dir.write("p.xml", "<policy/>");
  EXPECT_THAT(refusal(dir), HasSubstr("has no rule"));
  std::filesystem::remove(dir / "p.xml");
  std::filesystem::create_directory(dir / "p.xml");
  EXPECT_THAT(refusal(dir), HasSubstr("not a regular file"));
}

TEST(PolicyTest, ExtendsAppendsRules) {
  const TempDir dir;
  std::filesystem::create_directory(dir / "base");
  dir.write("base/b.xml", "<policy name='b'><rule scheme='float'/></policy>");
  dir.write("p.xml", "<policy extends='base/b.xml'><rule role='attention' scheme='quant8'/></policy>");
  const Policy p = read_policy(dir / "p.xml");
  ASSERT_EQ(p.rules.size(), 2U);
  EXPECT_EQ(p.name, "p");
  EXPECT_EQ(p.rules[0].scheme, "quant8");
  EXPECT_EQ(p.rules[1].place, "b.xml:1");
}

TEST(PolicyTest, ExtendsStaysInTheFolderAndEnds) {
  const TempDir outer;
  std::filesystem::create_directory(outer / "in");
  outer.write("secret.xml", "<policy><rule scheme='float'/></policy>");
  const auto says = [&](const std::string& extends) {
    outer.write("in/p.xml", "<policy\n extends='" + extends + "'><rule scheme='float'/></policy>");
    return refusal(outer, "in/p.xml");
  };
  EXPECT_THAT(says("../secret.xml"), HasSubstr("in/p.xml:2:2: extends=\"../secret.xml\" leads out"));
  EXPECT_THAT(says((outer / "secret.xml").string()), HasSubstr("leads out"));
  std::filesystem::create_symlink(outer / "secret.xml", outer / "in/link.xml");
  EXPECT_THAT(says("link.xml"), HasSubstr("leads out"));
  EXPECT_THAT(says("none.xml"), HasSubstr("there is no such file"));
  EXPECT_THAT(says("p.xml"), HasSubstr("in a circle"));
  outer.write("in/q.xml", "<policy extends='p.xml'/>");
  EXPECT_THAT(says("q.xml"), HasSubstr("in a circle"));
}

TEST(PolicyTest, WrittenAndReadBackIsTheSame) {
  const TempDir dir;
  const std::string text =
      "<policy name='all'>"
      "<rule role='feed-forward' part='down' layers='0-3,5' scheme='quant4' block='64' symmetric='true' "
      "scales='float32' rounding='gptq' accuracy-level='4'/>"
      "<rule op='Gather' name='a&amp;b*' scheme='rows'/>"
      "<rule share-above='0.25' min-elements='100' scheme='quant8' form='standard'/>"
      "<rule scheme='quant2' zero-points='float'/><rule role='head' scheme='fp16'/><rule scheme='bf16'/>"
      "<rule scheme='float'/></policy>";
  dir.write("p.xml", text);
  const Policy a = read_policy(dir / "p.xml");
  dir.write("q.xml", to_xml(a, {"made -- by a test --"}));
  const Policy b = read_policy(dir / "q.xml");
  ASSERT_EQ(a.rules.size(), b.rules.size());
  for (size_t i = 0; i < a.rules.size(); ++i) {
    const PolicyRule &x = a.rules[i], &y = b.rules[i];
    EXPECT_EQ(x.role, y.role);
    EXPECT_EQ(x.part, y.part);
    EXPECT_EQ(x.op, y.op);
    EXPECT_EQ(x.name, y.name);
    EXPECT_EQ(x.layers, y.layers);
    EXPECT_EQ(x.share_above, y.share_above);
    EXPECT_EQ(x.min_elements, y.min_elements);
    EXPECT_EQ(x.scheme, y.scheme);
    EXPECT_EQ(x.weight_only, y.weight_only);
    EXPECT_EQ(x.best_rounding, y.best_rounding);
  }
  EXPECT_EQ(a.rules[1].name, "a&b*");
  EXPECT_EQ(a.rules[4].half(), DType::F16);
  EXPECT_EQ(a.rules[5].half(), DType::BF16);
  EXPECT_FALSE(a.rules[6].half().has_value());
  EXPECT_FALSE(a.rules[4].matches_all());
  EXPECT_TRUE(a.rules[5].matches_all());
}

TEST(PolicyTest, Globs) {
  EXPECT_TRUE(glob_matches("*", "", '?'));
  EXPECT_TRUE(glob_matches("a*c?", "abbbcd", '?'));
  EXPECT_TRUE(glob_matches("*.weight", "layer.0.weight", '?'));
  EXPECT_TRUE(glob_matches("a*b?", "a*b?", '?'));
  EXPECT_FALSE(glob_matches("a?", "a", '?'));
  EXPECT_FALSE(glob_matches("a*b", "abc", '?'));
  EXPECT_FALSE(glob_matches("", "a", '?'));
  const std::string many(4000, 'a');
  EXPECT_FALSE(glob_matches("*a*a*a*a*a*a*a*b", many));  // no blow-up
}

// Every selection, one by one.
std::vector<Selection> all_of(const std::vector<std::vector<KnapsackChoice>>& groups) {
  std::vector<Selection> all = {{}};
  for (const auto& g : groups) {
    std::vector<Selection> next;
    for (const Selection& s : all)
      for (const KnapsackChoice& c : g) next.push_back({s.bytes + c.bytes, s.loss + c.loss, {}});
    all = std::move(next);
  }
  return all;
}

TEST(Knapsack, IsExactWhereAllCanBeTried) {
  std::mt19937 random(5);  // NOLINT(bugprone-random-generator-seed): the same each time
  for (int round = 0; round < 50; ++round) {
    std::vector<std::vector<KnapsackChoice>> groups(1 + random() % 6);
    for (auto& g : groups)
      for (size_t i = 0, n = 1 + random() % 4; i < n; ++i)
        g.push_back({static_cast<int64_t>(random() % 40), static_cast<double>(random() % 32)});
    const auto front = knapsack_front(groups);
    ASSERT_FALSE(front.empty());
    for (const Selection& s : all_of(groups)) {
      const bool beaten = std::any_of(front.begin(), front.end(), [&](const Selection& f) {
        return f.bytes <= s.bytes && f.loss <= s.loss;
      });
      EXPECT_TRUE(beaten);
    }
    for (size_t i = 0; i < front.size(); ++i) {
      KnapsackChoice sum;
      for (size_t g = 0; g < groups.size(); ++g) {
        sum.bytes += groups[g][static_cast<size_t>(front[i].picks[g])].bytes;
        sum.loss += groups[g][static_cast<size_t>(front[i].picks[g])].loss;
      }
      EXPECT_EQ(sum.bytes, front[i].bytes);
      EXPECT_EQ(sum.loss, front[i].loss);
      if (i > 0) {
        EXPECT_GT(front[i].bytes, front[i - 1].bytes);
        EXPECT_LT(front[i].loss, front[i - 1].loss);
      }
    }
  }
}

TEST(Knapsack, ThinnedListsStayNearTheBest) {
  std::mt19937 random(6);  // NOLINT(bugprone-random-generator-seed)
  std::vector<std::vector<KnapsackChoice>> groups(60);
  for (auto& g : groups)
    for (int bits : {2, 4, 8, 16}) {
      const int64_t size = 1000 + static_cast<int64_t>(random() % 100'000);
      g.push_back({size * bits / 8, static_cast<double>(random() % 1000) / (1 << bits)});
    }
  const auto exact = knapsack_front(groups), thin = knapsack_front(groups, 500);
  EXPECT_LE(thin.size(), 600U);
  const int64_t range = exact.back().bytes - exact.front().bytes;
  for (const Selection& s : exact) {  // a little more room gives at least as little loss
    const auto it =
        std::find_if(thin.begin(), thin.end(), [&](const Selection& t) { return t.loss <= s.loss; });
    ASSERT_NE(it, thin.end());
    EXPECT_LE(it->bytes - s.bytes, range * 60 / 499 + 1);
  }
}

}  // namespace
}  // namespace lathe
