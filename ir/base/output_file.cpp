#include "ir/base/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "ir/base/error.h"

namespace lathe {
namespace {

constexpr size_t kBuffer = size_t{1} << 18;

void write_all(int fd, const std::byte* data, size_t size, const std::filesystem::path& target) {
  while (size > 0) {
    const ssize_t n = ::write(fd, data, size);
    if (n < 0) {
      if (errno == EINTR) continue;
      fail("{}: cannot write: {}", target.string(), std::strerror(errno));
    }
    data += n;
    size -= static_cast<size_t>(n);
  }
}

}  // namespace

OutputFile::OutputFile(std::filesystem::path target) : target_(std::move(target)) {
  struct stat st{};
  const bool exists = ::stat(target_.c_str(), &st) == 0;
  if (exists && S_ISDIR(st.st_mode)) fail("{}: cannot write: it is a folder", target_.string());
  if (exists && !S_ISREG(st.st_mode)) {  // a pipe or a device (/dev/null) is written to, not replaced
    fd_ = ::open(target_.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd_ < 0) fail("{}: cannot write: {}", target_.string(), std::strerror(errno));
    return;
  }
  const std::string pattern = target_.string() + ".tmp-" + std::to_string(::getpid());
  for (int i = 0; fd_ < 0; ++i) {
    temporary_ = pattern + "-" + std::to_string(i);
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd_ < 0 && errno != EEXIST) fail("{}: cannot create: {}", target_.string(), std::strerror(errno));
  }
  if (exists) (void)::fchmod(fd_, st.st_mode & 0777);  // an existing target keeps its permissions
  buffer_.reserve(kBuffer);
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void OutputFile::write(std::span<const std::byte> bytes) {
  written_ += bytes.size();
  if (buffer_.size() + bytes.size() > kBuffer) flush();
  if (bytes.size() >= kBuffer) {
    write_all(fd_, bytes.data(), bytes.size(), target_);
  } else {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  }
}

void OutputFile::flush() {
  write_all(fd_, buffer_.data(), buffer_.size(), target_);
  buffer_.clear();
}

void OutputFile::commit() {
  flush();
  // No fsync: a crash of the machine may lose the new file, but rename never leaves a half-written one in its
  // place on the journalled file systems in use, and a flush of 90 MB would dominate the run time.
  if (::close(std::exchange(fd_, -1)) != 0)
    fail("{}: cannot write: {}", target_.string(), std::strerror(errno));
  if (!temporary_.empty() && ::rename(temporary_.c_str(), target_.c_str()) != 0)
    fail("{}: cannot replace: {}", target_.string(), std::strerror(errno));
  temporary_.clear();
}

}  // namespace lathe
