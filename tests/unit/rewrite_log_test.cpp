// The record of rewrites in a file, and what lies behind a node.
#include "passes/core/rewrite_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ir/onnx/save.h"
#include "ir/onnx/text.h"

namespace lathe {
namespace {

RewriteLog log_of(const std::string& text) {
  Model m = parse_model("g (float[2] x) => (float[2] y) { y = Relu (x) }");
  m.info.metadata.emplace_back(kRewritesKey, text);
  return read_rewrite_log(m);
}

std::vector<std::string> chain(const RewriteLog& log, const std::string& node) {
  std::vector<std::string> out;
  for (const RewriteStep& s : rewrites_behind(log, node))
    out.push_back(std::string(s.depth, ' ') + s.node + " by " + s.record->rule);
  return out;
}

TEST(RewriteLog, FollowsARewriteBackToTheInput) {
  const RewriteLog log = log_of(R"({"input_sha256": "ab", "rewrites": [
    {"pass": "p", "rule": "r1", "taken": ["a", "b"], "made": ["c"]},
    {"pass": "p", "rule": "r2", "taken": ["d"], "made": ["e"]},
    {"pass": "p", "rule": "r3", "taken": ["c", "e", "f"], "made": ["g"]},
    {"pass": "p", "rule": "r4", "taken": ["g"], "made": ["g"]}]})");
  EXPECT_TRUE(log.known);
  EXPECT_EQ(log.input_sha256, "ab");
  EXPECT_THAT(chain(log, "g"), testing::ElementsAre("g by r4", " g by r3", "  c by r1", "  e by r2"));
  EXPECT_THAT(chain(log, "a"), testing::IsEmpty());
}

TEST(RewriteLog, ARecordThatIsNoneIsIgnored) {
  EXPECT_FALSE(log_of("not JSON").known);
  EXPECT_FALSE(log_of("[]").known);
  EXPECT_FALSE(log_of(R"({"rewrites": 3})").known);
  const RewriteLog odd =
      log_of(R"({"rewrites": [1, {"rule": 2}, {"rule": "r", "made": ["a", 3], "taken": null}]})");
  ASSERT_EQ(odd.records.size(), 1u);
  EXPECT_THAT(odd.records[0].made, testing::ElementsAre("a"));
  EXPECT_FALSE(log_of(std::string(100000, '[')).known);
}

}  // namespace
}  // namespace lathe
