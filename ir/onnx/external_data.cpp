#include "ir/onnx/external_data.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "ir/base/descriptor.h"
#include "ir/base/error.h"
#include "ir/base/parse.h"
#include "ir/base/quote.h"
#include "ir/base/sha256.h"

namespace lathe {
namespace {

// O_NONBLOCK: a FIFO must not hang the open; what is no regular file is refused after it.
constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;

int64_t parse_bytes(const std::string& key, const std::string& text) {
  const auto value = parse_number<int64_t>(text);
  if (!value || text[0] == '-') fail("external data: {} {} is not a number of bytes", key, quote(text));
  return *value;
}

std::vector<std::string> components(const std::string& location) {
  std::vector<std::string> out;
  size_t begin = 0;
  while (begin <= location.size()) {
    const size_t end = std::min(location.find('/', begin), location.size());
    std::string part = location.substr(begin, end - begin);
    if (!part.empty() && part != ".") out.push_back(std::move(part));
    begin = end + 1;
  }
  return out;
}

[[noreturn]] void refuse_open(const std::string& location, int error) {
  if (error == ELOOP || error == EXDEV || error == ENOTDIR)
    fail(
        "external data {}: a link, or a path through one; links are refused (copy the file beside the model)",
        quote(location));
  fail("external data {}: {}", quote(location), std::strerror(error));
}

}  // namespace

void check_location(std::string_view location) {
  const auto refuse = [&](std::string_view why) {
    fail("external data location {}: {}", quote(location), why);
  };
  if (location.empty()) refuse("is empty");
  if (location.find("_ORT_MEM_ADDR_") != location.npos) refuse("names memory of another process, not a file");
  if (location.find('\0') != location.npos) refuse("holds a NUL");
  if (location.find('\\') != location.npos) refuse("holds a backslash; parts are joined by '/'");
  if (location.front() == '/') refuse("is absolute; it must be relative to the model's folder");
  if (location.size() >= 2 && location[1] == ':') refuse("starts with a drive letter; it must be relative");
  for (size_t begin = 0; begin <= location.size();) {
    const size_t end = std::min(location.find('/', begin), location.size());
    if (location.substr(begin, end - begin) == "..") refuse("leaves the model's folder");
    begin = end + 1;
  }
}

ExternalEntry parse_external(const StringPairs& entries) {
  ExternalEntry out;
  bool has_location = false;
  for (size_t i = 0; i < entries.size(); ++i) {
    const auto& [key, value] = entries[i];
    for (size_t j = 0; j < i; ++j)
      if (entries[j].first == key) fail("external data: key {} occurs twice", quote(key));
    if (key == "location") {
      check_location(value);
      out.location = value;
      has_location = true;
    } else if (key == "offset") {
      out.offset = parse_bytes(key, value);
    } else if (key == "length") {
      out.length = parse_bytes(key, value);
    } else if (key == "checksum") {
      out.checksum = value;
    } else if (key != "basepath") {  // the writer's own folder: never used, only kept
      fail("external data: unknown key {}", quote(key));
    }
  }
  if (!has_location) fail("external data without a location");
  return out;
}

int open_beneath_by_component(int dir, const std::string& location) {
  const auto parts = components(location);
  if (parts.empty()) fail("external data {}: not a regular file", quote(location));
  Descriptor at(::fcntl(dir, F_DUPFD_CLOEXEC, 0));
  for (size_t i = 0; i < parts.size(); ++i) {
    const bool last = i + 1 == parts.size();
    const int flags = last ? kFlags : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    const int next = ::openat(at.get(), parts[i].c_str(), flags);
    if (next < 0) refuse_open(location, errno);
    at.reset(next);
  }
  return at.release();
}

int open_beneath(int dir, const std::string& location) {
  struct open_how how{};
  how.flags = kFlags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const auto fd = static_cast<int>(::syscall(SYS_openat2, dir, location.c_str(), &how, sizeof how));
  if (fd >= 0) return fd;
  // Old kernels lack the call; sandboxes may forbid it.
  if (errno == ENOSYS || errno == EPERM || errno == EINVAL) return open_beneath_by_component(dir, location);
  refuse_open(location, errno);
}

ExternalData::ExternalData(std::filesystem::path folder, bool verify_checksums)
    : folder_(std::move(folder)), verify_(verify_checksums) {}

ExternalData::~ExternalData() {
  if (dir_ >= 0) ::close(dir_);
}

ExternalData::File& ExternalData::file(const std::string& location) {
  const auto found = files_.find(location);
  if (found != files_.end()) return found->second;
  if (folder_.empty()) fail("external data {}: a model without a folder cannot have any", quote(location));
  if (dir_ < 0) dir_ = ::open(folder_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (dir_ < 0) fail("{}: {}", folder_.string(), std::strerror(errno));
  Descriptor fd(open_beneath(dir_, location));
  struct stat st{};
  if (::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode))
    fail("external data {}: not a regular file", quote(location));
  if (st.st_nlink > 1)
    fail("external data {}: has {} hard links, which may lead outside of the model's folder (copy the file)",
         quote(location), st.st_nlink);
  File& file = files_[location];
  file.map = MappedFile::adopt(fd.release(), location);
  return file;
}

ExternalData::Slice ExternalData::open(const StringPairs& entries, int64_t size) {
  const ExternalEntry entry = parse_external(entries);
  File& f = file(entry.location);
  const auto total = static_cast<int64_t>(f.map->bytes().size());
  const int64_t length = entry.length.value_or(size);
  if (length != size)
    fail("external data {}: length is {}, the tensor's type and shape need {}", quote(entry.location), length,
         size);
  if (entry.offset > total || length > total - entry.offset)
    fail("external data {}: bytes {} to {} are asked for, the file has {}", quote(entry.location),
         entry.offset, static_cast<uint64_t>(entry.offset) + static_cast<uint64_t>(length), total);
  if (verify_ && !entry.checksum.empty()) {
    const bool sha1 = entry.checksum.size() == 40;
    if (!sha1 && entry.checksum.size() != 64)
      fail("external data {}: checksum {} is neither SHA-1 nor SHA-256", quote(entry.location),
           quote(entry.checksum));
    std::string& actual = sha1 ? f.sha1 : f.sha256;
    if (actual.empty()) actual = sha1 ? sha1_hex(f.map->bytes()) : sha256_hex(f.map->bytes());
    std::string wanted = entry.checksum;
    std::transform(wanted.begin(), wanted.end(), wanted.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    if (wanted != actual)
      fail("external data {}: checksum is {}, the model says {}", quote(entry.location), actual,
           quote(wanted));
  }
  if (length > 0) f.ranges.push_back({entry.offset, entry.offset + length});
  return {f.map->bytes().subspan(static_cast<size_t>(entry.offset), static_cast<size_t>(length)), f.map};
}

void ExternalData::report_overlaps(const std::function<void(const std::string&)>& warn) const {
  if (!warn) return;
  for (const auto& [location, file] : files_) {
    auto ranges = file.ranges;
    std::sort(ranges.begin(), ranges.end());
    ranges.erase(std::unique(ranges.begin(), ranges.end()), ranges.end());  // shared on purpose: tied weights
    for (size_t i = 1; i < ranges.size(); ++i)
      if (ranges[i].first < ranges[i - 1].second) {
        warn(fmt::format("external data {}: tensors overlap at byte {}", quote(location), ranges[i].first));
        break;
      }
  }
}

}  // namespace lathe
