#include "ir/core/spill.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "ir/base/mapped_file.h"

namespace lathe {
namespace {

constexpr size_t kInMemory = size_t{64} << 20;  // in all
constexpr size_t kSmall = size_t{16} << 10;     // always in memory
constexpr size_t kChunk = size_t{64} << 20;     // of a file
constexpr size_t kAlign = 64;

// A file without a name that has its space on disk: a full disk is told here, not by a signal later.
int open_unnamed(const std::filesystem::path& folder, size_t bytes) {
  int fd = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) {  // a file system that has none
    std::string name = (folder / ".lathe-XXXXXX").string();
    fd = ::mkostemp(name.data(), O_CLOEXEC);
    if (fd < 0) return -1;
    ::unlink(name.c_str());
  }
  if (::fallocate(fd, 0, 0, static_cast<off_t>(bytes)) == 0) return fd;
  ::close(fd);
  return -1;
}

class Place {
 public:
  void set_folder(std::filesystem::path folder) {
    const std::lock_guard lock(mutex_);
    folder_ = std::move(folder);
  }

  Spill take(size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (!folder_.empty() && bytes >= kSmall && in_memory_ + bytes > kInMemory) {
      const size_t rounded = (bytes + kAlign - 1) / kAlign * kAlign;
      if (left_ < rounded) open_chunk(rounded);
      if (left_ >= rounded) {
        const Spill s{at_, chunk_};
        at_ += rounded;
        left_ -= rounded;
        return s;
      }
    }
    in_memory_ += bytes;
    return {};
  }

 private:
  void open_chunk(size_t least) {
    const size_t size = std::max(least, kChunk);
    const int fd = open_unnamed(folder_, size);
    if (fd < 0) {  // asked once
      folder_.clear();
      return;
    }
    auto [data, file] = MappedFile::adopt_writable(fd, "a temporary file");
    at_ = data;
    left_ = size;
    chunk_ = std::move(file);
  }

  std::mutex mutex_;
  std::filesystem::path folder_;
  size_t in_memory_ = 0;
  std::byte* at_ = nullptr;
  size_t left_ = 0;
  std::shared_ptr<const void> chunk_;
};

Place& place() {
  static Place place;
  return place;
}

}  // namespace

void set_spill_folder(std::filesystem::path folder) { place().set_folder(std::move(folder)); }

Spill spill(size_t bytes) {
  Spill s = place().take(bytes);
  if (s.data != nullptr || bytes == 0) return s;
  auto owned = std::make_shared<Tensor>(Tensor::uninitialized(DType::U8, {static_cast<int64_t>(bytes)}));
  s.data = owned->mutable_bytes().data();
  s.keep = std::move(owned);
  return s;
}

Tensor Spill::tensor(DType dtype, std::vector<int64_t> dims) const {
  const auto size = static_cast<size_t>(byte_count(dtype, element_count(dims)));
  const std::span<const std::byte> bytes(data, size);
  MappedFile::forget(bytes);
  return Tensor::view(dtype, std::move(dims), bytes, keep);
}

Tensor spilled(const Tensor& t) {
  if (!t.defined() || t.dtype == DType::String || t.byte_size() < kSmall) return t;
  const Spill s = place().take(t.byte_size());
  if (s.data == nullptr) return t;
  std::memcpy(s.data, t.bytes().data(), t.byte_size());
  return s.tensor(t.dtype, t.dims);
}

}  // namespace lathe
