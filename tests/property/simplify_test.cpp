// Random models through the clean-up group: the same values come out, no rewrite had to be stopped by its
// check, a second run finds nothing, and nothing grows.
#include <gtest/gtest.h>

#include <algorithm>

#include "ir/core/check.h"
#include "ir/core/walk.h"
#include "passes/core/model_test.h"
#include "passes/core/pipeline.h"
#include "tests/property/random_graph.h"

namespace lathe {
namespace {

class SimplifyRandom : public testing::TestWithParam<int> {};

TEST_P(SimplifyRandom, KeepsValues) {
  Rng rng(static_cast<uint64_t>(GetParam()), "simplify");
  const Model before = random_graph(rng, 14);
  try {
    test_model(before, before, 3);
  } catch (const Error& e) {
    GTEST_SKIP() << "not a model that runs: " << e.what();
  }
  Model after = before;
  const auto steps = parse_pipeline("simplify");
  const PipelineReport report = run_pipeline(after, steps, {});
  for (const Remark& r : report.remarks)
    EXPECT_NE(r.kind, Remark::Kind::rejected) << r.rule << " at " << r.node << ": " << r.text;
  EXPECT_EQ(check_invariants(after), std::vector<std::string>{});
  EXPECT_LE(node_count(after), node_count(before));
  EXPECT_NO_THROW(test_model(before, after, 3));
  const PipelineReport again = run_pipeline(after, steps, {});
  for (const PassReport& p : again.passes) EXPECT_FALSE(p.changed) << p.pass << " changed something again";
}

INSTANTIATE_TEST_SUITE_P(Seeds, SimplifyRandom, testing::Range(0, 150));

}  // namespace
}  // namespace lathe
