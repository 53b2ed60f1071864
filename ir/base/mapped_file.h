// A read-only memory map of a regular file. Pages are faulted in on first touch, so opening a large file is
// free.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace lathe {

class MappedFile {
 public:
  // Maps a regular file; anything else (folder, FIFO, device) is an input error. follow_links = false refuses
  // a symbolic link in the last component (used for external data, see docs/architecture.md).
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path, bool follow_links = true);
  // Owns bytes that were read elsewhere (standard input).
  static std::shared_ptr<const MappedFile> from_bytes(std::string bytes);
  // Maps an already opened descriptor (and closes it).
  static std::shared_ptr<const MappedFile> adopt(int fd, const std::string& name);
  // The same for writing, shared with the file.
  static std::pair<std::byte*, std::shared_ptr<const MappedFile>> adopt_writable(int fd,
                                                                                 const std::string& name);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  // Whole pages of these bytes leave memory if they lie in some mapped file, and are read again when touched;
  // nothing happens to any other bytes. From any thread.
  static void forget(std::span<const std::byte> bytes);
  // Device and inode of the mapped file; {0, 0} for from_bytes().
  std::pair<uint64_t, uint64_t> identity() const { return {device_, inode_}; }

 private:
  MappedFile() = default;
  static std::shared_ptr<MappedFile> map(int fd, const std::string& name, bool writable);
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  uint64_t device_ = 0, inode_ = 0;
  bool mapped_ = false;
  std::string owned_;
};

}  // namespace lathe
