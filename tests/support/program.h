// A program of LATHE_BIN as a user runs it: exit code, output, peak memory.
#pragma once
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"

namespace lathe::test {

struct Outcome {
  int code = -1;  // 128 + signal if killed
  std::string out, err;
  long peak_kilobytes = 0;
};

// Sanitizers map terabytes for their own books.
#ifdef __SANITIZE_ADDRESS__
inline constexpr bool kMemoryIsOurs = false;
#else
inline constexpr bool kMemoryIsOurs = true;
#endif

// Runs it in `dir`, for at most 60 s of CPU time and 4 GB of memory.
inline Outcome run(const TempDir& dir, const std::string& program, std::vector<std::string> args,
                   rlim_t file_size = RLIM_INFINITY, const char* standard_output = nullptr) {
  const TempDir capture;
  const std::string path = std::string(std::getenv("LATHE_BIN")) + "/" + program;
  args.insert(args.begin(), program);
  std::vector<char*> argv;
  for (std::string& a : args) argv.push_back(a.data());
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string out_file = standard_output != nullptr ? standard_output : (capture / "out").string();
    const int out = ::open(out_file.c_str(), O_WRONLY | O_CREAT, 0600);
    const int err = ::open((capture / "err").c_str(), O_WRONLY | O_CREAT, 0600);
    ::dup2(out, 1);
    ::dup2(err, 2);
    const rlimit seconds{60, 60}, memory{rlim_t{4} << 30, rlim_t{4} << 30};
    ::setrlimit(RLIMIT_CPU, &seconds);
    if (kMemoryIsOurs) ::setrlimit(RLIMIT_AS, &memory);
    const rlimit limit{file_size, file_size};
    if (file_size != RLIM_INFINITY) ::setrlimit(RLIMIT_FSIZE, &limit);
    if (::chdir(dir.path().c_str()) == 0) ::execv(path.c_str(), argv.data());
    ::_exit(127);
  }
  int status = 0;
  rusage usage{};
  ::wait4(child, &status, 0, &usage);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_file(capture / "out"),
          read_file(capture / "err"), usage.ru_maxrss};
}

// Exit code 3, and one line that holds these words.
inline void expect_refusal(const Outcome& o, const std::string& says) {
  EXPECT_EQ(o.code, 3) << o.err;
  EXPECT_THAT(o.err, testing::HasSubstr(says));
  EXPECT_EQ(std::count(o.err.begin(), o.err.end(), '\n'), 1) << o.err;
}

// No more memory than the file and 200 MB.
inline void expect_little_memory(const Outcome& o, size_t file_bytes) {
  if (kMemoryIsOurs) {
    EXPECT_LT(o.peak_kilobytes, 200 * 1000 + static_cast<long>(file_bytes / 1000));
  }
}

}  // namespace lathe::test
