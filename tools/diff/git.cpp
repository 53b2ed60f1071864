#include "tools/diff/git.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "ir/base/error.h"
#include "ir/base/output_file.h"

namespace lathe::cli {
namespace {

namespace fs = std::filesystem;
constexpr const char* kAttributes = "*.onnx diff=onnx";

struct Outcome {
  int code = -1;
  std::string out;
};

Outcome git(std::vector<std::string> args) {
  args.insert(args.begin(), "git");
  std::vector<char*> argv;
  for (std::string& a : args) argv.push_back(a.data());
  argv.push_back(nullptr);
  int pipe_ends[2];
  if (::pipe2(pipe_ends, O_CLOEXEC) != 0) fail("cannot make a pipe: {}", std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, "git", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe_ends[1]);
  if (error != 0) {
    ::close(pipe_ends[0]);
    fail("git cannot be run: {}", std::strerror(error));
  }
  Outcome o;
  char buffer[4096];
  for (;;) {
    const ssize_t n = ::read(pipe_ends[0], buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    o.out.append(buffer, static_cast<size_t>(n));
  }
  ::close(pipe_ends[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  o.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  while (!o.out.empty() && o.out.back() == '\n') o.out.pop_back();
  return o;
}

// For the shell that git runs commands with.
std::string shell_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

std::string own_path() {
  std::error_code error;
  const fs::path p = fs::read_symlink("/proc/self/exe", error);
  if (error) fail("cannot find this program's own path: {}", error.message());
  return p.string();
}

fs::path attributes_file(bool global) {
  if (!global) {
    const Outcome o = git({"rev-parse", "--git-path", "info/attributes"});
    if (o.code != 0) fail("not in a git repository (--git-setup=global registers for the user)");
    return o.out;
  }
  const Outcome o = git({"config", "--global", "--type=path", "core.attributesFile"});
  if (o.code == 0 && !o.out.empty()) return o.out;
  const char *config = std::getenv("XDG_CONFIG_HOME"), *home = std::getenv("HOME");
  if (config != nullptr && *config != '\0') return fs::path(config) / "git" / "attributes";
  if (home == nullptr || *home == '\0') fail("HOME is not set: git has no place for the user's attributes");
  return fs::path(home) / ".config" / "git" / "attributes";
}

// True if the line was not there.
bool add_attributes(const fs::path& file) {
  std::string text;
  if (fs::exists(file)) {
    std::ifstream in(file, std::ios::binary);
    std::ostringstream all;
    all << in.rdbuf();
    text = all.str();
  }
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (line == kAttributes) return false;
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  if (!text.empty() && text.back() != '\n') text += '\n';
  OutputFile out(file);
  out.write(text + kAttributes + "\n");
  out.commit();
  return true;
}

}  // namespace

std::string git_setup(bool global) {
  const fs::path file = attributes_file(global);
  const std::string program = shell_quoted(own_path()), scope = global ? "--global" : "--local";
  const std::pair<const char*, std::string> settings[] = {
      {"diff.onnx.command", program + " --git"},
      {"diff.onnx.textconv", program + " --git-text"},
      {"difftool.onnx.cmd", program + " \"$LOCAL\" \"$REMOTE\""},
  };
  std::string said;
  for (const auto& [key, value] : settings) {
    if (git({"config", scope, key, value}).code != 0) fail("git config {} {} failed", scope, key);
    said += fmt::format("git config {} {} {}\n", scope, key, shell_quoted(value));
  }
  const bool added = add_attributes(file);
  said += fmt::format("{}: {}{}\n", file.string(), kAttributes, added ? "" : " (was there)");
  said +=
      "\nNow try:  git diff -- '*.onnx'   git log -p --ext-diff -- model.onnx   git difftool -t onnx -- "
      "model.onnx\n";
  return said;
}

GitDiff read_git_arguments(const std::vector<std::string>& args) {
  if (args.size() != 7 && args.size() != 9)
    fail_usage("--git is for git, which passes 7 or 9 arguments, not {}", args.size());
  return {args[0], args.size() == 9 ? args[7] : args[0], args[1], args[4]};
}

}  // namespace lathe::cli
