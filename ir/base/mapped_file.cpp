#include "ir/base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>

#include "ir/base/error.h"

namespace lathe {
namespace {

// The maps that are there, so that nobody can drop pages that no file holds.
class Maps {
 public:
  void add(const std::byte* begin, size_t size) {
    const std::lock_guard lock(mutex_);
    ends_[begin] = begin + size;
  }
  void remove(const std::byte* begin) {
    const std::lock_guard lock(mutex_);
    ends_.erase(begin);
  }
  void forget(std::span<const std::byte> bytes) {
    const std::lock_guard lock(mutex_);  // held, lest the map goes meanwhile
    auto it = ends_.upper_bound(bytes.data());
    if (it == ends_.begin()) return;
    --it;
    const std::byte* end = bytes.data() + bytes.size();
    if (end > it->second) return;
    static const auto kPage = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    const auto begin = static_cast<size_t>(bytes.data() - it->first);  // a map starts with a page
    const size_t first = (begin + kPage - 1) / kPage * kPage;
    const size_t last = end == it->second ? begin + bytes.size() : (begin + bytes.size()) / kPage * kPage;
    if (last > first) ::madvise(const_cast<std::byte*>(it->first) + first, last - first, MADV_DONTNEED);
  }

 private:
  std::mutex mutex_;
  std::map<const std::byte*, const std::byte*> ends_;
};

Maps& maps() {
  static auto* maps = new Maps;  // outlives every static that holds a file
  return *maps;
}

}  // namespace

void MappedFile::forget(std::span<const std::byte> bytes) {
  if (!bytes.empty()) maps().forget(bytes);
}

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path, bool follow_links) {
  // O_NONBLOCK: opening a FIFO must not hang; the type check in adopt() refuses it.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | (follow_links ? 0 : O_NOFOLLOW));
  if (fd < 0) fail("{}: {}", path.string(), std::strerror(errno));
  return adopt(fd, path.string());
}

std::shared_ptr<const MappedFile> MappedFile::adopt(int fd, const std::string& name) {
  return map(fd, name, false);
}

std::pair<std::byte*, std::shared_ptr<const MappedFile>> MappedFile::adopt_writable(int fd,
                                                                                    const std::string& name) {
  const auto file = map(fd, name, true);
  return {const_cast<std::byte*>(file->data_), file};
}

std::shared_ptr<MappedFile> MappedFile::map(int fd, const std::string& name, bool writable) {
  struct stat st{};
  if (::fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
    ::close(fd);
    fail("{}: not a regular file", name);
  }
  std::shared_ptr<MappedFile> file(new MappedFile);
  file->size_ = static_cast<size_t>(st.st_size);
  file->device_ = st.st_dev;
  file->inode_ = st.st_ino;
  if (file->size_ > 0) {
    void* p = ::mmap(nullptr, file->size_, writable ? PROT_READ | PROT_WRITE : PROT_READ,
                     writable ? MAP_SHARED : MAP_PRIVATE, fd, 0);
    const int error = errno;
    ::close(fd);
    if (p == MAP_FAILED) fail("{}: cannot map: {}", name, std::strerror(error));
    file->data_ = static_cast<const std::byte*>(p);
    file->mapped_ = true;
    maps().add(file->data_, file->size_);
  } else {
    ::close(fd);
  }
  return file;
}

std::shared_ptr<const MappedFile> MappedFile::from_bytes(std::string bytes) {
  std::shared_ptr<MappedFile> file(new MappedFile);
  file->owned_ = std::move(bytes);
  file->data_ = reinterpret_cast<const std::byte*>(file->owned_.data());
  file->size_ = file->owned_.size();
  return file;
}

MappedFile::~MappedFile() {
  if (!mapped_) return;
  maps().remove(data_);
  ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace lathe
