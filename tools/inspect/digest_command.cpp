#include "tools/inspect/digest_command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>

#include "ir/base/descriptor.h"
#include "ir/base/mapped_file.h"
#include "ir/base/sha256.h"
#include "ir/onnx/external_data.h"
#include "ir/onnx/tensor_scan.h"

namespace lathe::inspect {
namespace {

std::string hash_of(int fd, const std::string& name) {
  struct stat st{};
  if (::fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) fail("{}: not a regular file", name);
  return sha256_hex_of_file(fd, name);
}

std::string hash_of(const std::string& path) {
  if (path == "-") fail_usage("a hash needs a file, not standard input");
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) fail("{}: {}", path, std::strerror(errno));
  return hash_of(fd.get(), path);
}

// Files of external data that tensors name, in order of first use.
std::vector<std::string> data_files(const std::string& path) {
  const auto file = MappedFile::open(path);
  std::vector<std::string> out;
  std::set<std::string> seen;
  for (const TensorRecord& t : scan_tensors(file->bytes()))
    for (const auto& [key, value] : t.external)
      if (key == "location" && seen.insert(value).second) out.push_back(value);
  return out;
}

// Hash of a file of external data, under the loader's rules: inside the model's folder, no links.
std::string data_hash(const std::string& path, const std::string& location) {
  check_location(location);
  std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (folder.empty()) folder = ".";
  const Descriptor dir(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (dir.get() < 0) fail("{}: {}", folder.string(), std::strerror(errno));
  const Descriptor fd(open_beneath(dir.get(), location));
  return hash_of(fd.get(), location);
}

}  // namespace

int digest_command(const std::vector<std::string>& paths, bool json) {
  int code = 0;
  for (const std::string& path : paths)
    code = std::max(code, cli::guarded("onnx-inspect", [&] {
                      nlohmann::ordered_json report = {{"path", path}, {"sha256", hash_of(path)}};
                      if (!json) std::cout << report["sha256"].get<std::string>() << "  " << path << "\n";
                      report["external"] = nlohmann::ordered_json::array();
                      const std::string folder = path.substr(0, path.rfind('/') + 1);
                      for (const std::string& location : data_files(path)) {
                        const std::string hash = data_hash(path, location);
                        report["external"].push_back({{"location", location}, {"sha256", hash}});
                        if (!json) std::cout << hash << "  " << cli::printable(folder + location) << "\n";
                      }
                      if (json)
                        std::cout << report.dump(2, ' ', false, nlohmann::json::error_handler_t::replace)
                                  << "\n";
                      return 0;
                    }));
  return code;
}

void verify_sha(const std::string& path, const std::string& expected) {
  std::string want = expected;
  std::transform(want.begin(), want.end(), want.begin(), [](unsigned char c) { return std::tolower(c); });
  if (want.size() != 64 || want.find_first_not_of("0123456789abcdef") != want.npos)
    fail_usage("--verify-sha: '{}' is no SHA-256 (64 hexadecimal digits)", expected);
  if (const std::string is = hash_of(path); is != want)
    fail_check("{}: its SHA-256 is {}, expected was {}", path, is, want);
  const std::vector<std::string> data = data_files(path);
  if (!data.empty())
    cli::warn("onnx-inspect",
              fmt::format("{}: the hash does not cover its external data ({}{}); --sha256 tells theirs", path,
                          cli::printable(data.front()),
                          data.size() > 1 ? fmt::format(" and {} more", data.size() - 1) : ""));
}

}  // namespace lathe::inspect
