// Load and save without passes give the file back, byte by byte.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "ir/base/mapped_file.h"
#include "ir/core/check.h"
#include "ir/onnx/load.h"
#include "ir/onnx/save.h"

namespace lathe {
namespace {

std::vector<std::filesystem::path> model_files() {
  std::vector<std::filesystem::path> out;
  for (const char* folder : {"tests/models", "samples/models"})
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      if (entry.path().extension() == ".onnx") out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

class ExporterFile : public testing::TestWithParam<std::filesystem::path> {};

void expect_same_bytes(const std::filesystem::path& path, bool lift) {
  const auto file = MappedFile::open(path);
  // The graphs in tests/models have no weights.
  const Model m = load_model(file, path.string(), {}, {.lift = lift, .external_data = false});
  EXPECT_THAT(check_invariants(m), testing::IsEmpty());
  const std::string saved = serialize_model(m);
  const std::string_view original(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  ASSERT_EQ(saved.size(), original.size());
  EXPECT_TRUE(saved == original);
}

TEST_P(ExporterFile, ComesBackByteByByte) { expect_same_bytes(GetParam(), true); }
TEST_P(ExporterFile, ComesBackByteByByteUnlifted) { expect_same_bytes(GetParam(), false); }

INSTANTIATE_TEST_SUITE_P(RoundTrip, ExporterFile, testing::ValuesIn(model_files()), [](const auto& info) {
  std::string name = info.param.stem().string();
  for (char& c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  return name;
});

}  // namespace
}  // namespace lathe
