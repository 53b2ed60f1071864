// External tensor data (onnx docs/ExternalData.md) of an untrusted model: files below the model's folder
// only, each mapped once. Refused: absolute paths, "..", backslashes and drive letters, links in any
// component, hard links, anything but regular files, unknown or repeated keys, ranges outside of the file.
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ir/base/mapped_file.h"
#include "ir/core/model.h"
#include "ir/onnx/wire.h"

namespace lathe {

// The entries of one tensor, checked.
struct ExternalEntry {
  std::string location, checksum;
  int64_t offset = 0;
  std::optional<int64_t> length;
};
ExternalEntry parse_external(const StringPairs& entries);

// A location as a path below the folder, with the reason why not as an input error.
void check_location(std::string_view location);

class ExternalData {
 public:
  // An empty folder refuses all.
  ExternalData(std::filesystem::path folder, bool verify_checksums);
  ~ExternalData();
  ExternalData(const ExternalData&) = delete;
  ExternalData& operator=(const ExternalData&) = delete;

  struct Slice {
    wire::Bytes bytes;
    std::shared_ptr<const MappedFile> file;
  };
  // The bytes of a tensor that needs `size` of them.
  Slice open(const StringPairs& entries, int64_t size);

  // Ranges of different tensors that overlap without being equal: one line each.
  void report_overlaps(const std::function<void(const std::string&)>& warn) const;

 private:
  struct File {
    std::shared_ptr<const MappedFile> map;
    std::vector<std::pair<int64_t, int64_t>> ranges;  // begin, end
    std::string sha1, sha256;                         // computed once asked for
  };
  File& file(const std::string& location);

  std::filesystem::path folder_;
  bool verify_;
  int dir_ = -1;
  std::map<std::string, File> files_;
};

// Opens folder/location for reading under the rules above; `dir` is an open folder. Throws on refusal.
int open_beneath(int dir, const std::string& location);
// As open_beneath() where the kernel lacks openat2.
int open_beneath_by_component(int dir, const std::string& location);

}  // namespace lathe
