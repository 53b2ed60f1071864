// onnx-diff's library: what is aligned, what is reported.
#include "passes/diff/diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "ir/core/check.h"
#include "ir/onnx/load.h"
#include "ir/onnx/text.h"
#include "passes/diff/text.h"
#include "tests/support/model_edits.h"

namespace lathe {
namespace {

namespace fs = std::filesystem;
using diff::Diff;
using testing::IsEmpty;

std::vector<fs::path> model_files() {
  std::vector<fs::path> out;
  for (const auto& e : fs::directory_iterator("tests/models"))
    if (e.path().extension() == ".onnx") out.push_back(e.path());
  if (const char* more = std::getenv("LATHE_DIFF_MODELS"))  // a folder of larger ones, by hand
    for (const auto& e : fs::directory_iterator(more))
      if (e.path().extension() == ".onnx") out.push_back(e.path());
  std::sort(out.begin(), out.end());
  return out;
}

test::EditCounts found(const Diff& d) {
  test::EditCounts c;
  for (const auto& n : d.changes.nodes) {
    c.attributes += n.changed() ? 1 : 0;
    c.rewired += n.rewired.size();
  }
  for (const auto& h : d.changes.hunks) {
    c.inserted += h.added.size();
    c.removed += h.removed.size();
  }
  c.weights = d.weights.changes.size();
  c.opsets = d.interface.size();
  return c;
}

std::string describe(const test::EditCounts& c) {
  return fmt::format("{} attributes, {} inserted, {} removed, {} rewired, {} weights, {} opsets",
                     c.attributes, c.inserted, c.removed, c.rewired, c.weights, c.opsets);
}

std::string describe(const Model& a, const Model& b, const Diff& d) {
  std::string s;
  const auto line = [](const Model& m, NodeId n, const std::vector<ValueId>& partner) {
    std::string in;
    for (const ValueId v : m[n].in) in += v ? fmt::format(" {}{}", m[v].name, partner[v.v] ? "" : "*") : " -";
    std::string out;
    for (const ValueId v : m[n].out)
      for (const Use& u : v ? m[v].uses : std::vector<Use>{})
        out += fmt::format(" {}[{}]", m[u.node].type, u.slot);
    return fmt::format("{}({}) -> {}", diff::op_name(m[n]), in, out);
  };
  for (const auto& h : d.changes.hunks) {
    s += fmt::format("hunk: {} -> {}\n", h.old_ops, h.new_ops);
    for (const NodeId n : h.removed) s += "  - " + line(a, n, d.changes.value_a_to_b) + "\n";
    for (const NodeId n : h.added) s += "  + " + line(b, n, d.changes.value_b_to_a) + "\n";
  }
  for (const auto& n : d.changes.nodes) {
    for (const auto& x : n.attrs)
      s += fmt::format("{}: {} {} -> {}\n", diff::op_name(a[n.a]), x.name, x.before, x.after);
    for (const auto& x : n.values) s += fmt::format("{}: {} value\n", diff::op_name(a[n.a]), x.label);
    for (const auto& x : n.rewired)
      s += fmt::format("{} ({}): {} {} -> {}\n", diff::op_name(a[n.a]), a[n.a].name, x.label,
                       x.before ? a[x.before].name : "-", x.after ? b[x.after].name : "-");
  }
  return s;
}

class DiffModels : public testing::TestWithParam<fs::path> {};

TEST_P(DiffModels, DisguisedModelIsTheSame) {
  const Model a = load_model(GetParam(), {.external_data = false});
  Model b = a;
  test::disguise(b, 3);
  ASSERT_THAT(check_invariants(b), IsEmpty());
  const Diff d = diff::diff_models(a, b);
  EXPECT_TRUE(d.same()) << describe(found(d)) << "\n" << describe(a, b, d);
}

TEST_P(DiffModels, KnownEditsAreFoundAndNothingElse) {
  const Model a = load_model(GetParam(), {.external_data = false});
  for (const uint64_t seed : {1, 2, 3}) {
    Model b = a;
    const test::EditCounts want = test::Editor(b, seed).run(seed < 3 ? 4 : 12);
    test::disguise(b, seed);
    ASSERT_THAT(check_invariants(b), IsEmpty());
    const Diff d = diff::diff_models(a, b);
    EXPECT_EQ(describe(want), describe(found(d))) << "seed " << seed << "\n" << describe(a, b, d);
  }
}

INSTANTIATE_TEST_SUITE_P(All, DiffModels, testing::ValuesIn(model_files()), [](const auto& info) {
  std::string name = info.param.parent_path().filename().string() + "_" + info.param.stem().string();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
});

}  // namespace
}  // namespace lathe
