// Runs every case of tests/golden (case_file.h says how one is written): the text after the pipeline, the
// word of the passes on whether something changed, the IR's invariants, a second run that must change
// nothing, and both models executed on the same inputs. With --update or LATHE_UPDATE=1 the expectations are
// rewritten instead: read the diff.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "ir/core/check.h"
#include "ir/onnx/text.h"
#include "passes/core/model_test.h"
#include "passes/core/pipeline.h"
#include "tests/golden/case_file.h"

namespace lathe {
namespace {

namespace fs = std::filesystem;
bool update = false;

// A graph alone in the input is a graph alone in the expectation.
std::string printed(const Model& m, const GoldenCase& c) {
  std::string text = print_model(m);
  if (!c.input.starts_with('<')) {
    const size_t header = text.find("\n>\n");
    if (header != std::string::npos) text = text.substr(header + 3);
  }
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

PassSettings settings_of(const GoldenCase& c) {
  PassSettings s;
  s.target = Target::named(c.target);
  s.max_growth = c.growth;
  s.explain_missed = true;
  return s;
}

bool any_changed(const PipelineReport& r) {
  return std::any_of(r.passes.begin(), r.passes.end(), [](const PassReport& p) { return p.changed; });
}

std::string told(const PipelineReport& r) {
  std::string out;
  for (const Remark& remark : r.remarks)
    if (remark.kind == Remark::Kind::missed) out += "\n  " + remark.rule + ": " + remark.text;
  return out;
}

class GoldenTest : public testing::Test {
 public:
  explicit GoldenTest(fs::path path) : path_(std::move(path)) {}

  void TestBody() override {
    const GoldenCase c = read_case(path_);
    const Model before = parse_model(c.input);
    Model after = before;
    const auto steps = parse_pipeline(c.run);
    const PipelineReport report = run_pipeline(after, steps, settings_of(c));
    const bool changed = any_changed(report);
    const std::string text = changed ? printed(after, c) : "unchanged";

    if (update) {
      write_expectation(path_, c, text);
    } else {
      EXPECT_EQ(text, c.expect);
    }
    EXPECT_EQ(changed, printed(after, c) != printed(before, c)) << "what the passes say of themselves";
    EXPECT_EQ(check_invariants(after), std::vector<std::string>{});
    for (const Remark& r : report.remarks)
      EXPECT_NE(r.kind, Remark::Kind::rejected) << r.rule << " at " << r.node << ": " << r.text;
    for (const std::string& want : c.remarks)
      EXPECT_TRUE(std::any_of(report.remarks.begin(), report.remarks.end(),
                              [&](const Remark& r) {
                                return r.kind == Remark::Kind::missed &&
                                       r.text.find(want) != std::string::npos;
                              }))
          << "no missed remark says '" << want << "', but:" << told(report);
    if (c.executes) {
      EXPECT_EQ(difference(before, after), "");
    }

    Model again = after;
    EXPECT_FALSE(any_changed(run_pipeline(again, steps, settings_of(c)))) << printed(again, c);
  }

 private:
  static std::string difference(const Model& before, const Model& after) {
    try {
      test_model(before, after, PassSettings{}.seed);
    } catch (const std::exception& e) {
      return e.what();
    }
    return {};
  }

  fs::path path_;
};

void register_cases(const fs::path& root) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(root))
    if (entry.path().extension() == ".ot") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const fs::path& f : files)
    testing::RegisterTest(f.parent_path().filename().string().c_str(), f.stem().string().c_str(), nullptr,
                          nullptr, f.string().c_str(), 1,
                          [f]() -> testing::Test* { return new GoldenTest(f); });
}

}  // namespace
}  // namespace lathe

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const char* wanted = std::getenv("LATHE_UPDATE");
  lathe::update = wanted != nullptr && std::string_view(wanted) == "1";
  for (int i = 1; i < argc; ++i) lathe::update |= std::string_view(argv[i]) == "--update";
  lathe::register_cases("tests/golden");
  return RUN_ALL_TESTS();
}
