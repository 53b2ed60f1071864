#include "ir/onnx/external_data.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "ir/base/error.h"
#include "ir/base/sha256.h"
#include "ir/onnx/load.h"
#include "tests/support/proto_builder.h"
#include "tests/support/temp_dir.h"

namespace lathe {
namespace {

using namespace test;
using testing::HasSubstr;
namespace fs = std::filesystem;
using Entries = std::vector<std::pair<std::string, std::string>>;

std::string bytes_of(int n) {
  std::string s;
  for (int i = 0; i < n; ++i) s += static_cast<char>(i);
  return s;
}

class ExternalDataTest : public testing::Test {
 protected:
  ExternalDataTest() { dir_.write("m/w.bin", bytes_of(64)); }

  // y = Add(x, w), w of 2 floats.
  fs::path with(const Entries& entries) {
    return dir_.write("m/model.onnx", model_with(external_tensor("w", {2}, entries)).str());
  }
  std::string error(const Entries& entries, bool verify = false) {
    try {
      load_model(with(entries), {.verify_checksums = verify});
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::input);
      EXPECT_THAT(e.what(), HasSubstr("initializer 'w'"));
      return e.what();
    }
    return "loaded";
  }

  TempDir dir_;
};

TEST_F(ExternalDataTest, ReadsASlice) {
  const Model m = load_model(with({{"location", "w.bin"}, {"offset", "8"}, {"length", "8"}}));
  const Tensor* w = m.constant(m[m.main()].initializers[0]);
  ASSERT_EQ(w->byte_size(), 8U);
  EXPECT_EQ(std::to_integer<int>(w->bytes()[0]), 8);
  EXPECT_NO_THROW(load_model(with({{"location", "./w.bin"}})));
  dir_.write("m/sub/v.bin", bytes_of(8));
  EXPECT_NO_THROW(load_model(with({{"location", "sub/v.bin"}})));
}

TEST_F(ExternalDataTest, RefusesWhatLeavesTheFolder) {
  dir_.write("outside.bin", bytes_of(64));
  EXPECT_THAT(error({{"location", "../outside.bin"}}), HasSubstr("leaves the model's folder"));
  EXPECT_THAT(error({{"location", "sub/../../outside.bin"}}), HasSubstr("leaves the model's folder"));
  EXPECT_THAT(error({{"location", (dir_ / "outside.bin").string()}}), HasSubstr("is absolute"));
}

TEST_F(ExternalDataTest, RefusesLinks) {
  dir_.write("outside/o.bin", bytes_of(64));
  fs::create_symlink("../outside/o.bin", dir_ / "m/link.bin");
  fs::create_directory_symlink("../outside", dir_ / "m/linked");
  fs::create_symlink("w.bin", dir_ / "m/inside.bin");
  EXPECT_THAT(error({{"location", "link.bin"}}), HasSubstr("link"));
  EXPECT_THAT(error({{"location", "linked/o.bin"}}), HasSubstr("link"));
  EXPECT_THAT(error({{"location", "inside.bin"}}), HasSubstr("link"));
  fs::create_hard_link(dir_ / "outside/o.bin", dir_ / "m/hard.bin");
  EXPECT_THAT(error({{"location", "hard.bin"}}), HasSubstr("2 hard links"));
}

TEST_F(ExternalDataTest, FallbackRefusesTheSame) {
  dir_.write("m/sub/v.bin", bytes_of(8));
  fs::create_symlink("w.bin", dir_ / "m/inside.bin");
  fs::create_directory_symlink("sub", dir_ / "m/linked");
  const int at = ::open((dir_ / "m").c_str(), O_PATH | O_DIRECTORY);
  for (const char* good : {"w.bin", "./w.bin", "sub/v.bin", "sub//v.bin"}) {
    const int a = open_beneath(at, good), b = open_beneath_by_component(at, good);
    EXPECT_GE(a, 0) << good;
    EXPECT_GE(b, 0) << good;
    ::close(a);
    ::close(b);
  }
  for (const char* bad : {"inside.bin", "linked/v.bin", "missing", "w.bin/x", "."}) {
    EXPECT_THROW(open_beneath_by_component(at, bad), Error) << bad;
  }
  ::close(at);
}

TEST_F(ExternalDataTest, RefusesWhatIsNoFile) {
  ASSERT_EQ(::mkfifo((dir_ / "m/fifo").c_str(), 0600), 0);
  fs::create_directory(dir_ / "m/folder");
  EXPECT_THAT(error({{"location", "fifo"}}), HasSubstr("not a regular file"));
  EXPECT_THAT(error({{"location", "folder"}}), HasSubstr("not a regular file"));
  EXPECT_THAT(error({{"location", "nothing"}}), HasSubstr("No such file"));
}

TEST_F(ExternalDataTest, RefusesBadRanges) {
  const auto range = [&](const char* offset, const char* length) {
    return error({{"location", "w.bin"}, {"offset", offset}, {"length", length}});
  };
  EXPECT_THAT(range("-1", "8"), HasSubstr("not a number"));
  EXPECT_THAT(range("0x8", "8"), HasSubstr("not a number"));
  EXPECT_THAT(range(" 8", "8"), HasSubstr("not a number"));
  EXPECT_THAT(range("", "8"), HasSubstr("not a number"));
  EXPECT_THAT(range("99999999999999999999", "8"), HasSubstr("not a number"));
  EXPECT_THAT(range("9223372036854775807", "8"), HasSubstr("the file has 64"));
  EXPECT_THAT(range("60", "8"), HasSubstr("the file has 64"));
  EXPECT_THAT(range("0", "4"), HasSubstr("length is 4"));
  EXPECT_THAT(range("0", "9223372036854775807"), HasSubstr("length is"));
  EXPECT_THAT(error({{"location", "w.bin"}, {"offset", "57"}}), HasSubstr("the file has 64"));
}

TEST_F(ExternalDataTest, RefusesUnknownAndRepeatedKeys) {
  EXPECT_THAT(error({{"location", "w.bin"}, {"location", "../x"}}), HasSubstr("'location' occurs twice"));
  EXPECT_THAT(error({{"location", "w.bin"}, {"__class__", "x"}}), HasSubstr("unknown key '__class__'"));
}

TEST_F(ExternalDataTest, ChecksumsAreComparedWhenAsked) {
  const std::string content = bytes_of(64);
  const auto bytes = std::as_bytes(std::span(content.data(), content.size()));
  EXPECT_EQ(error({{"location", "w.bin"}, {"checksum", sha1_hex(bytes)}}, true), "loaded");
  EXPECT_EQ(error({{"location", "w.bin"}, {"checksum", sha256_hex(bytes)}}, true), "loaded");
  const std::string wrong(40, '0');
  EXPECT_EQ(error({{"location", "w.bin"}, {"checksum", wrong}}, false), "loaded");
  EXPECT_THAT(error({{"location", "w.bin"}, {"checksum", wrong}}, true),
              HasSubstr("checksum is " + sha1_hex(bytes)));
  EXPECT_THAT(error({{"location", "w.bin"}, {"checksum", "abc"}}, true), HasSubstr("neither"));
}

TEST_F(ExternalDataTest, OverlapsAreReportedUnlessEqual) {
  const auto warnings = [&](const char* second) {
    std::vector<std::string> out;
    const Msg g =
        graph({.nodes = {node("Add", {"a", "b"}, {"y"})},
               .initializers = {external_tensor("a", {2}, {{"location", "w.bin"}, {"offset", "0"}}),
                                external_tensor("b", {2}, {{"location", "w.bin"}, {"offset", second}})}});
    load_model(dir_.write("m/model.onnx", model(g).str()),
               {.warn = [&](const std::string& w) { out.push_back(w); }});
    return out;
  };
  EXPECT_THAT(warnings("0"), testing::IsEmpty());
  EXPECT_THAT(warnings("8"), testing::IsEmpty());
  EXPECT_THAT(warnings("4"), testing::ElementsAre(HasSubstr("overlap at byte 4")));
}

TEST_F(ExternalDataTest, LeftUndefinedForInspection) {
  const Model m = load_model(with({{"location", "nothing"}}), {.external_data = false});
  const Tensor* w = m.constant(m[m.main()].initializers[0]);
  EXPECT_EQ(w->dims, std::vector<int64_t>{2});
  EXPECT_EQ(w->byte_size(), 0U);
  EXPECT_THROW(load_model(with({{"location", "../w"}}), {.external_data = false}), Error);
}

TEST_F(ExternalDataTest, BytesWithoutAFolderHaveNone) {
  const auto file =
      MappedFile::from_bytes(model_with(external_tensor("w", {2}, {{"location", "w.bin"}})).str());
  EXPECT_THROW(load_model(file, "bytes", {}), Error);
}

}  // namespace
}  // namespace lathe
