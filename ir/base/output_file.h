// An output that is written beside its target and renamed into place by commit(). A failure or an exception
// leaves the old file as it was and no temporary behind. A pipe or a device is written directly.
#pragma once
#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace lathe {

class OutputFile {
 public:
  explicit OutputFile(std::filesystem::path target);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
  uint64_t size() const { return written_; }
  void commit();  // flush, close, rename

 private:
  void flush();
  std::filesystem::path target_, temporary_;
  int fd_ = -1;
  uint64_t written_ = 0;
  std::vector<std::byte> buffer_;
};

}  // namespace lathe
