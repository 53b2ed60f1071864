#include "ir/onnx/save.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <nlohmann/json.hpp>
#include <set>

#include "ir/base/error.h"
#include "ir/base/mapped_file.h"
#include "ir/core/check.h"
#include "ir/onnx/load.h"
#include "ir/onnx/text.h"
#include "tests/support/proto_builder.h"
#include "tests/support/temp_dir.h"

namespace lathe {
namespace {

using namespace test;
using testing::ElementsAre;
using testing::HasSubstr;
using External = SaveOptions::External;

ValueId value_named(const Model& m, std::string_view name) {
  for (uint32_t i = 0; i < m.value_capacity(); ++i)
    if (!m[ValueId{i}].erased && m[ValueId{i}].name == name) return ValueId{i};
  return {};
}
NodeId node_at(const Model& m, size_t i) { return m.nodes(m.main())[i]; }
Model reload(const Model& m) {
  const Model again = load_model(MappedFile::from_bytes(serialize_model(m)), "saved", {});
  EXPECT_THAT(check_invariants(again), testing::IsEmpty());
  return again;
}
std::string printed(const Model& m) {
  const std::string text = print_model(m);
  return text.substr(text.find("g ("));
}

// --- names
// ----------------------------------------------------------------------------------------------------------

TEST(SaveNames, OutputTakesThePortsName) {
  Model m = parse_model("g (float[2] x) => (float[2] y) { a = Abs(x) y = Relu(a) }");
  m.replace_uses(value_named(m, "y"), value_named(m, "a"));
  m.erase(node_at(m, 1));
  EXPECT_THAT(printed(m), HasSubstr("y = Abs (x)"));
}

TEST(SaveNames, IdentityWhereTwoPublicNamesMeet) {
  Model m = parse_model("g (float[2] x) => (float[2] y, float[2] z) { y = Abs(x) z = Relu(y) }");
  m.replace_uses(value_named(m, "z"), value_named(m, "y"));
  m.erase(node_at(m, 1));
  const std::string text = printed(m);
  EXPECT_THAT(text, HasSubstr("y = Abs (x)"));
  EXPECT_THAT(text, HasSubstr("z = Identity (y)"));
  reload(m);
}

TEST(SaveNames, IdentityFromInputAndInitializer) {
  Model m = parse_model(
      "g (float[2] x) => (float[2] y, float[2] z) <float[2] w = {1, 2}> { y = Abs(x) z = Relu(w) }");
  m.replace_uses(value_named(m, "y"), value_named(m, "x"));
  m.replace_uses(value_named(m, "z"), value_named(m, "w"));
  const std::string text = printed(m);
  EXPECT_THAT(text, HasSubstr("y = Identity (x)"));
  EXPECT_THAT(text, HasSubstr("z = Identity (w)"));
}

TEST(SaveNames, OldHolderOfAPublicNameGetsANewOne) {
  // y goes on living inside, and another value becomes the output.
  Model m = parse_model("g (float[2] x) => (float[2] y) { y = Abs(x) }");
  const ValueId y = value_named(m, "y");
  const NodeId relu = m.create("", "Relu", {y}, {}, 1);
  m.place(relu, m.main());
  m.set_input(m[m.main()].ret, 0, m[relu].out[0]);
  const std::string text = printed(m);
  EXPECT_THAT(text, HasSubstr("y_1 = Abs (x)"));
  EXPECT_THAT(text, HasSubstr("y = Relu (y_1)"));
}

TEST(SaveNames, NewValuesAreCalledAfterTheirOp) {
  Model m = parse_model("g (float[2] x) => (float[2] y) { y = Relu(x) }");
  ValueId v = m.inputs(m.main())[0];
  for (int i = 0; i < 2; ++i) {
    const NodeId n = m.create("", "LayerNormalization", {v, v}, {}, 1);
    m.place(n, m.main(), node_at(m, static_cast<size_t>(i)));
    v = m[n].out[0];
  }
  m.set_input(node_at(m, 2), 0, v);
  EXPECT_THAT(printed(m),
              HasSubstr("layer_normalization_out_1 = LayerNormalization (layer_normalization_out,"));
  EXPECT_EQ(serialize_model(m), serialize_model(m));
}

TEST(SaveNames, SubgraphOutputThatIsCapturedGetsAnIdentity) {
  Model m = parse_model(
      "g (bool c, float[2] x) => (float[2] y) { y = If (c) <then_branch = t () => (float[2] a) { a = "
      "Relu(x) }, else_branch = e () => (float[2] b) { b = Neg(x) }> }");
  const NodeId owner = node_at(m, 0);
  const GraphId then_graph = m.subgraphs(owner)[0];
  const NodeId relu = m.nodes(then_graph)[0];
  m.replace_uses(m[relu].out[0], value_named(m, "x"));
  m.erase(relu);
  EXPECT_THAT(printed(m), HasSubstr("a = Identity (x)"));
  reload(m);
}

TEST(SaveNames, CollisionsInScopeAreResolved) {
  Model m = parse_model("g (float[2] x) => (float[2] y) { a = Abs(x) y = Relu(a) }");
  const NodeId neg = m.create("", "Neg", {value_named(m, "a")}, {}, 1, {}, {"a"});
  m.place(neg, m.main(), node_at(m, 1));
  m.set_input(node_at(m, 2), 0, m[neg].out[0]);
  EXPECT_THAT(printed(m), HasSubstr("a_1 = Neg (a)"));
}

TEST(SaveNames, ReplacedConstantIsWritten) {
  Model m = parse_model("g () => (float[1] y) { c = Constant <value_floats = [1.0]> () y = Relu(c) }");
  m.set_constant(value_named(m, "c"), std::make_shared<const Tensor>(Tensor::full(DType::F32, {1}, 5)));
  const Model again = reload(m);
  EXPECT_THAT(again.constant(value_named(again, "c"))->to_doubles(), ElementsAre(5));
}

TEST(SaveNames, StaleValueInfoIsCorrected) {
  Model m = load_model(
      MappedFile::from_bytes(model(graph({.nodes = {node("Abs", {"x"}, {"a"}), node("Relu", {"a"}, {"y"})}})
                                       .m(field::graph::value_info, value("a")))
                                 .str()),
      "m", {});
  m.set_type(value_named(m, "a"), Type::tensor(DType::F16, Shape{2}));
  const Model again = reload(m);
  EXPECT_EQ(again[again.main()].value_info[0].type.str(), "float16[2]");
}

// --- provenance
// -----------------------------------------------------------------------------------------------------

TEST(Save, ProvenanceGoesToMetadata) {
  Model m = parse_model("g (float[2] x) => (float[2] y) { y = Relu(x) }");
  m.trail.push_back({"fuse", "gelu", {"a", "b\xff"}, {"c"}});
  const TempDir dir;
  for (int i = 0; i < 2; ++i) save_model(m, dir / "m.onnx", {.provenance = true, .input_sha256 = "abc"});
  const Model again = load_model(dir / "m.onnx");
  ASSERT_EQ(again.info.metadata.size(), 1U);
  EXPECT_EQ(again.info.metadata[0].first, kRewritesKey);
  const auto json = nlohmann::json::parse(again.info.metadata[0].second);
  EXPECT_EQ(json["input_sha256"], "abc");
  EXPECT_EQ(json["rewrites"][0]["rule"], "gelu");
}

// --- external data
// ----------------------------------------------------------------------------------------------------

// y = Add(Add(x, a), b) with 8 KB, 4 KB and 8 byte initializers
Model weights_model() {
  Model m = parse_model("g (float[2048] x) => (float[2048] y) { y = Relu(x) }");
  ValueId v = m.inputs(m.main())[0];
  for (const auto& [name, size] : {std::pair("a", 2048), std::pair("b", 1024), std::pair("c", 2)}) {
    const ValueId w = m.add_initializer(m.main(), Tensor::full(DType::F32, {size}, size), name);
    const NodeId n = m.create("", "Add", {v, w}, {}, 1);
    m.place(n, m.main(), m[m.main()].last);
    v = m[n].out[0];
  }
  m.set_input(m[m.main()].last, 0, v);
  return m;
}

void expect_weights(const std::filesystem::path& path) {
  const Model m = load_model(path);
  for (const auto& [name, size] : {std::pair("a", 2048), std::pair("b", 1024), std::pair("c", 2)}) {
    const Tensor* t = m.constant(value_named(m, name));
    ASSERT_NE(t, nullptr);
    EXPECT_TRUE(same_content(*t, Tensor::full(DType::F32, {size}, size))) << name;
  }
}

TEST(SaveExternal, AllAboveTheThreshold) {
  const TempDir dir;
  save_model(weights_model(), dir / "m.onnx", {.external = External::all});
  EXPECT_THAT(dir.list(), ElementsAre("m.onnx", "m.onnx.data"));
  EXPECT_EQ(std::filesystem::file_size(dir / "m.onnx.data"), 8192U + 4096U);
  EXPECT_LT(std::filesystem::file_size(dir / "m.onnx"), 1500U);
  expect_weights(dir / "m.onnx");
}

TEST(SaveExternal, Shards) {
  const TempDir dir;
  save_model(weights_model(), dir / "m.onnx",
             {.external = External::all, .external_name = "w", .shard_bytes = 9000});
  EXPECT_THAT(dir.list(), ElementsAre("m.onnx", "w-00001-of-00002", "w-00002-of-00002"));
  expect_weights(dir / "m.onnx");
}

TEST(SaveExternal, NoneBringsAllInside) {
  const TempDir dir, other;
  save_model(weights_model(), dir / "m.onnx", {.external = External::all});
  save_model(load_model(dir / "m.onnx"), other / "m.onnx", {.external = External::none});
  EXPECT_THAT(other.list(), ElementsAre("m.onnx"));
  expect_weights(other / "m.onnx");
}

TEST(SaveExternal, KeepInPlaceLeavesTheDataFileAlone) {
  const TempDir dir;
  save_model(weights_model(), dir / "m.onnx", {.external = External::all, .external_name = "shared.bin"});
  const std::string before = read_file(dir / "m.onnx");
  const auto file = MappedFile::open(dir / "shared.bin");
  save_model(load_model(dir / "m.onnx"), dir / "m.onnx");
  EXPECT_EQ(MappedFile::open(dir / "shared.bin")->identity(), file->identity());
  EXPECT_EQ(read_file(dir / "m.onnx"), before);
}

TEST(SaveExternal, KeepCopiesTheDataIntoAnotherFolder) {
  const TempDir dir, other;
  save_model(weights_model(), dir / "m.onnx", {.external = External::all, .external_name = "shared.bin"});
  save_model(load_model(dir / "m.onnx"), other / "n.onnx");
  EXPECT_THAT(other.list(), ElementsAre("n.onnx", "shared.bin"));
  EXPECT_EQ(read_file(other / "shared.bin"), read_file(dir / "shared.bin"));
  expect_weights(other / "n.onnx");
  save_model(load_model(dir / "m.onnx"), other / "n.onnx");  // again, over what is there
  expect_weights(other / "n.onnx");
}

// A model beside its data at `location`, one float tensor of `floats` values from `offset` on.
std::filesystem::path external_model(const TempDir& dir, const std::string& location, int64_t floats,
                                     const std::string& offset) {
  return dir.write(
      "m/model.onnx",
      model_with(
          external_tensor("w", {floats},
                          {{"location", location}, {"offset", offset}, {"checksum", std::string(40, '0')}}))
          .str());
}

TEST(SaveExternal, KeepMakesTheFoldersOfALocation) {
  const TempDir dir;
  dir.write("m/deep/er/w.bin", std::string(16, 'w'));
  const Model m = load_model(external_model(dir, "./deep/er/w.bin", 2, "8"));
  const TempDir other;
  save_model(m, other / "n.onnx");
  EXPECT_EQ(read_file(other / "deep/er/w.bin"), std::string(16, 'w'));
  const Model again = load_model(other / "n.onnx");  // entries as they were: offset, checksum and "./"
  EXPECT_EQ(again.constant(again[again.main()].initializers[0])->spelling->external,
            m.constant(m[m.main()].initializers[0])->spelling->external);
  std::filesystem::create_directory(other / "bad.onnx");
  std::filesystem::remove_all(other / "deep");
  EXPECT_THROW(save_model(m, other / "bad.onnx"), Error);  // what was made for it is gone again
  EXPECT_THAT(other.list(), ElementsAre("bad.onnx", "n.onnx"));
}

TEST(SaveExternal, KeepDropsAFileThatIsHardlyUsed) {
  const TempDir dir, other;
  dir.write("m/w.bin", std::string(4096, 'w'));
  save_model(load_model(external_model(dir, "w.bin", 2, "8")), other / "n.onnx");
  EXPECT_THAT(other.list(), ElementsAre("n.onnx", "n.onnx.data"));
  EXPECT_EQ(std::filesystem::file_size(other / "n.onnx.data"), 8U);
}

TEST(SaveExternal, ALocationDoesNotReplaceAFileOfOthers) {
  const TempDir dir, other;
  dir.write("m/notes.txt", std::string(8, 'w'));
  other.write("notes.txt", "mine");
  const Model m = load_model(external_model(dir, "notes.txt", 2, "0"));
  EXPECT_THROW(save_model(m, other / "n.onnx"), Error);
  EXPECT_THAT(other.list(), ElementsAre("notes.txt"));
  EXPECT_EQ(read_file(other / "notes.txt"), "mine");
  save_model(m, other / "n.onnx", {.external_name = "n.bin"});
  EXPECT_THAT(other.list(), ElementsAre("n.bin", "n.onnx", "notes.txt"));
}

TEST(SaveExternal, ALocationIsNotFollowedThroughALink) {
  const TempDir dir, other;
  dir.write("m/sub/w.bin", std::string(8, 'w'));
  other.write("elsewhere/x", "x");
  std::filesystem::create_directory_symlink(other / "elsewhere", other / "sub");
  EXPECT_THROW(save_model(load_model(external_model(dir, "sub/w.bin", 2, "0")), other / "n.onnx"), Error);
  EXPECT_THAT(other.list(), ElementsAre("elsewhere", "sub"));
  EXPECT_FALSE(std::filesystem::exists(other / "elsewhere/w.bin"));
}

TEST(SaveExternal, ADataFileNamedAsTheModel) {
  const TempDir dir, other;
  dir.write("m/n.onnx", std::string(8, 'w'));
  save_model(load_model(external_model(dir, "n.onnx", 2, "0")), other / "n.onnx");
  EXPECT_THAT(other.list(), ElementsAre("n.onnx", "n.onnx.data"));
  EXPECT_EQ(load_model(other / "n.onnx").info.opsets, load_model(dir / "m/model.onnx").info.opsets);
}

TEST(SaveExternal, ItsOwnMappedDataFileIsNotReplaced) {
  const TempDir dir;
  save_model(weights_model(), dir / "m.onnx", {.external = External::all});
  const std::string data = read_file(dir / "m.onnx.data");
  Model m = load_model(dir / "m.onnx");
  m.set_constant(value_named(m, "b"), std::make_shared<const Tensor>(Tensor::full(DType::F32, {1024}, 7)));
  save_model(m, dir / "m.onnx", {.external = External::all});
  const Model again = load_model(dir / "m.onnx");
  EXPECT_EQ(again.constant(value_named(again, "a"))->as_double(0), 2048);
  EXPECT_EQ(again.constant(value_named(again, "b"))->as_double(0), 7);
  EXPECT_THAT(dir.list(), ElementsAre("m.onnx", "m.onnx.data", "m.onnx.data.2"));
  EXPECT_EQ(read_file(dir / "m.onnx.data"), data);
  EXPECT_THROW(
      save_model(again, dir / "m.onnx", {.external = External::all, .external_name = "m.onnx.data.2"}),
      Error);
}

TEST(SaveExternal, TiedTensorsAreStoredOnce) {
  Model m = weights_model();
  const TensorPtr a = m.constant_ptr(value_named(m, "a"));
  const ValueId twin = m.add_initializer(m.main(), *a, "twin");
  m.set_input(m[m.main()].last, 0, twin);
  const TempDir dir;
  save_model(m, dir / "m.onnx", {.external = External::all});
  EXPECT_EQ(std::filesystem::file_size(dir / "m.onnx.data"), 8192U + 4096U);
}

TEST(SaveExternal, BadNamesAreUsageErrors) {
  const TempDir dir;
  for (const char* name : {"m.onnx", "../w", "sub/w", "/w"}) {
    EXPECT_THROW(
        save_model(weights_model(), dir / "m.onnx", {.external = External::all, .external_name = name}),
        Error)
        << name;
  }
  EXPECT_THAT(dir.list(), testing::IsEmpty());
}

// --- what goes wrong
// --------------------------------------------------------------------------------------------------

TEST(SaveFailure, AboveTwoGigabytesNamesTheOption) {
  // One zero page mapped many times stands for large weights: nothing is written.
  Model m = parse_model("g (float[2] x) => (float[2] y) { y = Relu(x) }");
  const Tensor big = Tensor::make(DType::U8, {int64_t{1} << 28});
  for (int i = 0; i < 8; ++i) m.add_initializer(m.main(), big, "w" + std::to_string(i));
  const TempDir dir;
  try {
    save_model(m, dir / "m.onnx");
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("--external-data"));
  }
  EXPECT_THAT(dir.list(), testing::IsEmpty());
}

TEST(SaveFailure, FullDiskKeepsTheOldFile) {
  const TempDir dir;
  dir.write("m.onnx", "old");
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      save_model(weights_model(), dir / "m.onnx");
    } catch (const Error& e) {
      ::_exit(std::string(e.what()).find("cannot write: File too large") != std::string::npos ? 3 : 4);
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 3);
  EXPECT_THAT(dir.list(), ElementsAre("m.onnx"));
  EXPECT_EQ(read_file(dir / "m.onnx"), "old");
}

TEST(SaveFailure, MissingFolder) {
  EXPECT_THROW(save_model(weights_model(), "/nowhere/at/all/m.onnx"), Error);
}

TEST(SaveFailure, FailedDataFileLeavesAllAsItWas) {
  const TempDir dir;
  dir.write("m.onnx", "old");
  std::filesystem::create_directory(dir / "w");  // a folder cannot be replaced by a file
  EXPECT_THROW(save_model(weights_model(), dir / "m.onnx", {.external = External::all, .external_name = "w"}),
               Error);
  EXPECT_THAT(dir.list(), ElementsAre("m.onnx", "w"));
  EXPECT_EQ(read_file(dir / "m.onnx"), "old");
}

}  // namespace
}  // namespace lathe
