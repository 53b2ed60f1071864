// Generated pages of docs/ are what the programs would write today.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/program.h"
#include "tools/pages/ops_page.h"
#include "tools/view/lint_view.h"
#include "tools/view/pass_list.h"

namespace lathe::test {
namespace {

void expect_current(const char* path, const std::string& page) {
  if (std::getenv("LATHE_UPDATE_PAGES") != nullptr) std::ofstream(path) << page;
  std::ifstream file(path);
  std::stringstream there;
  there << file.rdbuf();
  EXPECT_TRUE(there.str() == page) << path << " is not current: run ./dev pages";
}

// Each tools/onnx_<name>.cpp is the program onnx-<name>.
std::vector<std::string> programs() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator("tools")) {
    std::string name = entry.path().stem().string();
    if (!name.starts_with("onnx_") || entry.path().extension() != ".cpp") continue;
    std::replace(name.begin(), name.end(), '_', '-');
    names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string help_of(const std::string& program) {
  const TempDir dir;
  const Outcome o = run(dir, program, {"--help"});
  EXPECT_EQ(o.code, 0) << program << o.err;
  return o.out;
}

std::string command_lines_page() {
  std::string page = "# Command lines\n\nWritten by `./dev pages`: what each program answers to `--help`.\n";
  for (const std::string& program : programs())
    page += "\n## " + program + "\n\n```\n" + help_of(program) + "```\n";
  return page;
}

TEST(Pages, OpsIsCurrent) { expect_current("docs/ops.md", ops_page()); }
TEST(Pages, PassesIsCurrent) { expect_current("docs/passes.md", view::passes_markdown()); }
TEST(Pages, LintsIsCurrent) { expect_current("docs/lints.md", view::lints_markdown()); }
TEST(Pages, CommandLinesIsCurrent) { expect_current("docs/cli.md", command_lines_page()); }

TEST(Pages, HelpOfEachProgramTeaches) {
  for (const std::string& program : programs()) {
    const std::string help = help_of(program);
    SCOPED_TRACE(program);
    EXPECT_TRUE(help.starts_with(program + ": ")) << help.substr(0, 100);
    for (const char* part : {"\nUsage: ", "\nExamples:\n", "\nExit codes: "})
      EXPECT_NE(help.find(part), help.npos) << part;
    const size_t examples = help.find("\nExamples:\n");
    EXPECT_NE(help.find("  " + program, examples), help.npos) << "no example of " << program;
    std::istringstream lines(help);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 120U) << line;
  }
}

}  // namespace
}  // namespace lathe::test
