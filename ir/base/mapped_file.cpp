#include "ir/base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "ir/base/error.h"

namespace lathe {

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path, bool follow_links) {
  // O_NONBLOCK: opening a FIFO must not hang; the type check in adopt() refuses it.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | (follow_links ? 0 : O_NOFOLLOW));
  if (fd < 0) fail("{}: {}", path.string(), std::strerror(errno));
  return adopt(fd, path.string());
}

std::shared_ptr<const MappedFile> MappedFile::adopt(int fd, const std::string& name) {
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
    void* p = ::mmap(nullptr, file->size_, PROT_READ, MAP_PRIVATE, fd, 0);
    const int error = errno;
    ::close(fd);
    if (p == MAP_FAILED) fail("{}: cannot map: {}", name, std::strerror(error));
    file->data_ = static_cast<const std::byte*>(p);
    file->mapped_ = true;
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
  if (mapped_) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace lathe
