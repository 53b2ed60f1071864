// The programs on malformed files: exit code 3, one line on standard error, no output left behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/bad_models.h"
#include "tests/support/program.h"
#include "tests/support/temp_dir.h"

namespace lathe {
namespace {

using namespace test;
using testing::ElementsAre;
using testing::HasSubstr;

class CliBadInput : public testing::TestWithParam<BadModel> {};

TEST_P(CliBadInput, ExitsWith3AndOneLine) {
  const BadModel& bad = GetParam();
  const TempDir dir;
  dir.write("bad.onnx", bad.bytes);
  const Outcome opt = run(dir, "onnx-opt", {"bad.onnx", "-o", "out.onnx", "--passes=cse"});
  expect_refusal(opt, bad.says);
  EXPECT_THAT(opt.err, HasSubstr("bad.onnx"));
  EXPECT_EQ(opt.out, "");
  expect_little_memory(opt, bad.bytes.size());
  EXPECT_THAT(dir.list(), ElementsAre("bad.onnx"));
}

INSTANTIATE_TEST_SUITE_P(Cli, CliBadInput, testing::ValuesIn(bad_models()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(CliBadInputTest, OnnxRunToo) {
  const TempDir dir;
  for (const BadModel& bad : bad_models()) {
    SCOPED_TRACE(bad.name);
    dir.write("bad.onnx", bad.bytes);
    const Outcome o = run(dir, "onnx-run", {"bad.onnx", "-o", "out.npz"});
    expect_refusal(o, bad.says);
    expect_little_memory(o, bad.bytes.size());
    EXPECT_THAT(dir.list(), ElementsAre("bad.onnx"));
  }
}

TEST(CliBadInputTest, OnnxInspectToo) {
  const TempDir dir;
  for (const BadModel& bad : bad_models()) {
    // Without external data a tensor's bytes may be anywhere, or nowhere.
    const std::string name = bad.name;
    if (name == "no_data" || name == "external_missing") continue;
    SCOPED_TRACE(name);
    dir.write("bad.onnx", bad.bytes);
    const Outcome inspect = run(dir, "onnx-inspect", {"bad.onnx"});
    expect_refusal(inspect, bad.says);
    expect_little_memory(inspect, bad.bytes.size());
  }
}

// Lints report what the loader refuses, in every form, and look at what can be read.
TEST(CliBadInputTest, LintsReportThem) {
  const TempDir dir;
  for (const BadModel& bad : bad_models()) {
    SCOPED_TRACE(bad.name);
    const std::string name = bad.name;
    dir.write("bad.onnx", bad.bytes);
    const Outcome o = run(dir, "onnx-inspect", {"--lint", "--json", "bad.onnx"});
    EXPECT_EQ(o.code, name == "external_missing" ? 1 : 3) << o.err;
    EXPECT_EQ(o.err, "");
    EXPECT_THAT(o.out, HasSubstr("\"severity\": \"error\""));
    expect_little_memory(o, bad.bytes.size());
  }
}

TEST(CliBadInputTest, DiffOnEitherSide) {
  const TempDir dir;
  dir.write("good.onnx", relu_model().str());
  for (const BadModel& bad : bad_models()) {
    SCOPED_TRACE(bad.name);
    dir.write("bad.onnx", bad.bytes);
    const Outcome o = run(dir, "onnx-diff", {"good.onnx", "bad.onnx"});
    expect_refusal(o, bad.says);
    EXPECT_EQ(o.out, "");
  }
  expect_refusal(run(dir, "onnx-diff", {"missing.onnx", "good.onnx"}), "missing.onnx");
  expect_refusal(run(dir, "onnx-diff", {".", "good.onnx"}), "not a regular file");
}

TEST(CliBadInputTest, ExternalData) {
  const TempDir dir;
  dir.write("outside/o.bin", "abcdefgh");
  const auto opt = [&](const std::vector<std::pair<std::string, std::string>>& entries) {
    dir.write("m/bad.onnx", model_with(external_tensor("w", {2}, entries)).str());
    return run(dir, "onnx-opt", {"m/bad.onnx", "-o", "m/out.onnx", "--passes=cse"});
  };
  dir.write("m/w.bin", "abcdefgh");
  std::filesystem::create_symlink("../outside/o.bin", dir / "m/link.bin");
  std::filesystem::create_hard_link(dir / "outside/o.bin", dir / "m/hard.bin");
  expect_refusal(opt({{"location", "link.bin"}}), "link");
  expect_refusal(opt({{"location", "hard.bin"}}), "hard links");
  expect_refusal(opt({{"location", "../outside/o.bin"}}), "leaves the model's folder");
  expect_refusal(opt({{"location", (dir / "outside/o.bin").string()}}), "is absolute");
  expect_refusal(opt({{"location", "w.bin"}, {"offset", "4"}}), "the file has 8");
  EXPECT_EQ(opt({{"location", "w.bin"}}).code, 0);
}

TEST(CliBadInputTest, OldFileSurvivesAFullDisk) {
  const TempDir dir;
  const std::string weights(1 << 20, 'w');
  dir.write("m.onnx", model(graph({.nodes = {node("Gather", {"w", "x"}, {"y"})},
                                   .initializers = {raw_tensor("w", 2, {1 << 20}, weights)},
                                   .inputs = {Msg().s(1, "x").m(2, Msg().m(1, Msg().i(1, 7).m(2, Msg())))},
                                   .outputs = {Msg().s(1, "y").m(2, Msg().m(1, Msg().i(1, 2).m(2, Msg())))}}))
                          .str());
  dir.write("out.onnx", "old");
  const Outcome o = run(dir, "onnx-opt", {"m.onnx", "-o", "out.onnx", "--passes=cse"}, 65536);
  expect_refusal(o, "out.onnx: cannot write");
  EXPECT_THAT(dir.list(), ElementsAre("m.onnx", "out.onnx"));
  EXPECT_EQ(read_file(dir / "out.onnx"), "old");
}

// As any user, root included: these places are not a matter of permissions.
TEST(CliBadInputTest, UnwritableFolder) {
  const TempDir dir;
  dir.write("m.onnx", relu_model().str());
  dir.write("file", "old");
  std::filesystem::create_directory(dir / "folder");
  const auto to = [&](const std::string& out) {
    return run(dir, "onnx-opt", {"m.onnx", "-o", out, "--passes=cse"});
  };
  expect_refusal(to("missing/out.onnx"), "missing/out.onnx: cannot create: No such file");
  expect_refusal(to("file/out.onnx"), "file/out.onnx: cannot create: Not a directory");
  expect_refusal(to("folder"), "folder: cannot write: it is a folder");
  expect_refusal(to(std::string(300, 'x')), "cannot create: File name too long");
  expect_refusal(to("/proc/out.onnx"), "/proc/out.onnx: cannot create");
  expect_refusal(to("/dev/full"), "/dev/full: cannot write: No space left");
  EXPECT_THAT(dir.list(), ElementsAre("file", "folder", "m.onnx"));
  EXPECT_EQ(read_file(dir / "file"), "old");
}

TEST(CliBadInputTest, OtherOutputsMeetTheSame) {
  const TempDir dir;
  dir.write("m.onnx", relu_model().str());
  dir.write("old", "old");
  using Args = std::vector<std::string>;
  for (const auto& [program, args] :
       {std::pair("onnx-run", Args{"m.onnx", "-o"}), std::pair("onnx-run", Args{"m.onnx", "--chrome-trace"}),
        std::pair("onnx-opt", Args{"m.onnx", "-o", "/dev/null", "--report"})}) {
    for (const auto& [to, says] :
         {std::pair("missing/out.npz", "missing/out.npz: cannot create"),
          std::pair("/dev/full", "cannot write"), std::pair("old/out.npz", "old/out.npz: cannot create")}) {
      SCOPED_TRACE(std::string(program) + " " + args[1] + " " + to);
      Args all = args;
      all.emplace_back(to);
      expect_refusal(run(dir, program, all), says);
      EXPECT_THAT(dir.list(), ElementsAre("m.onnx", "old"));
    }
    Args all = args;
    all.emplace_back("old");
    SCOPED_TRACE(std::string(program) + " " + args[1] + ", no space");
    expect_refusal(run(dir, program, all, 100), "old: cannot write");
    EXPECT_EQ(read_file(dir / "old"), "old");
    EXPECT_THAT(dir.list(), ElementsAre("m.onnx", "old"));
  }
}

TEST(CliBadInputTest, DevicesAreWrittenNotReplaced) {
  const TempDir dir;
  dir.write("m.onnx", relu_model().str());
  EXPECT_EQ(run(dir, "onnx-opt", {"m.onnx", "-o", "/dev/null", "--passes=cse"}).code, 0);
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

TEST(CliBadInputTest, StandardOutputThatIsFull) {
  const TempDir dir;
  dir.write("m.onnx", relu_model().str());
  using Args = std::vector<std::string>;
  for (const auto& [program, args] :
       {std::pair("onnx-opt", Args{"m.onnx", "-o", "-"}), std::pair("onnx-inspect", Args{"m.onnx"}),
        std::pair("onnx-opt", Args{"--help"})}) {
    const Outcome o = run(dir, program, args, RLIM_INFINITY, "/dev/full");
    EXPECT_EQ(o.code, 3) << program;
    EXPECT_THAT(o.err, HasSubstr("standard output"));
  }
}

TEST(CliBadInputTest, SloppyFilesWarnAndGoOn) {
  const TempDir dir;
  dir.write("m.onnx", model(graph({.nodes = {node("Relu", {"a"}, {"y"}), node("Abs", {"x"}, {"a"})},
                                   .outputs = {Msg().s(field::value_info::name, "y")},
                                   .name = ""}))
                          .str());
  const auto says = [](const Outcome& o) {
    EXPECT_EQ(o.code, 0) << o.err;
    for (const char* warning : {"the nodes of graph '' are out of order; sorted", "output 'y' has no type",
                                "the graph has no name"})
      EXPECT_THAT(o.err, HasSubstr(std::string("warning: m.onnx: ") + warning));
  };
  says(run(dir, "onnx-inspect", {"m.onnx"}));
  says(run(dir, "onnx-run", {"m.onnx"}));
  says(run(dir, "onnx-opt", {"m.onnx", "-o", "out.onnx", "--quiet", "--passes=cse"}));
  EXPECT_THAT(dir.list(), ElementsAre("m.onnx", "out.onnx"));
}

}  // namespace
}  // namespace lathe
