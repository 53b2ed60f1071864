// Errors that a user sees as one line. Code below the tools throws; tools print what() and exit with the
// kind's code.
#pragma once
#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace lathe {

// The value is the process exit code (see README, "Exit codes").
enum class ErrorKind : int { check = 1, usage = 2, input = 3 };

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& what) : std::runtime_error(what), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

// Bad input: a malformed file, a value out of its range, a limit that was hit.
template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(ErrorKind::input, fmt::format(format, std::forward<Args>(args)...));
}

// Bad usage: an unknown option, pass or preset.
template <class... Args>
[[noreturn]] void fail_usage(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(ErrorKind::usage, fmt::format(format, std::forward<Args>(args)...));
}

// A check that did not hold: verification, comparison.
template <class... Args>
[[noreturn]] void fail_check(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(ErrorKind::check, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace lathe
