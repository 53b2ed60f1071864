#include "tools/report/latency.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "ir/base/error.h"
#include "ir/exec/executor.h"
#include "ir/exec/npy.h"

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace lathe::report {
namespace {

namespace fs = std::filesystem;

constexpr int kWarm = 5, kRuns = 30;
constexpr double kSeconds = 10;  // of one model

constexpr const char* kScript = R"(
import json, sys, time
import numpy as np
import onnxruntime as ort
before, after, feed, warm, runs, seconds, threads = sys.argv[1:8]
feed = dict(np.load(feed))
def measure(path):
    o = ort.SessionOptions()
    o.log_severity_level, o.intra_op_num_threads = 4, int(threads)
    o.add_session_config_entry("session.intra_op.allow_spinning", "0")
    s = ort.InferenceSession(path, o, providers=["CPUExecutionProvider"])
    given = {i.name: feed[i.name] for i in s.get_inputs() if i.name in feed}
    taken, start = [], time.perf_counter()
    for i in range(int(warm) + int(runs)):
        t = time.perf_counter()
        s.run(None, given)
        taken.append(time.perf_counter() - t)
        if time.perf_counter() - start > float(seconds) and i >= int(warm) + 4: break
    return sorted(taken[int(warm):])
print(json.dumps({"version": ort.__version__, "before": measure(before), "after": measure(after)}))
)";

Latency percentiles(const std::vector<double>& sorted) {
  const auto at = [&](double p) {
    return sorted[std::min(sorted.size() - 1, static_cast<size_t>(p * static_cast<double>(sorted.size())))];
  };
  return {at(0.5), at(0.95)};
}

// Runs it with its errors thrown away; what it printed, or nothing where it failed.
std::string output_of(std::vector<std::string> command) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {};
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  std::vector<char*> argv;
  for (std::string& word : command) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t child = 0;
  const bool started = ::posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ) == 0;
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  std::string text;
  if (started) {
    char buffer[4096];
    for (ssize_t n; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;)
      text.append(buffer, static_cast<size_t>(n));
    int status = 0;
    ::waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) text.clear();
  }
  ::close(ends[0]);
  return text;
}

// A file of its own in the folder for temporary files.
class Scratch {
 public:
  Scratch() : path_((fs::temp_directory_path() / "lathe-latency-XXXXXX.npz").string()) {
    const int fd = ::mkstemps(path_.data(), 4);
    if (fd < 0) fail("no temporary file can be made in {}", fs::temp_directory_path().string());
    ::close(fd);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code error;
    fs::remove(path_, error);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Latency in_executor(const Model& m, const std::vector<Datum>& inputs) {
  Executor executor(m);
  std::vector<double> taken;
  const auto start = std::chrono::steady_clock::now();
  const auto since = [](auto t) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - t).count();
  };
  for (int i = 0; i < kWarm + kRuns && (since(start) < kSeconds || taken.size() < 3); ++i) {
    const auto begin = std::chrono::steady_clock::now();
    executor.run(inputs);
    if (i >= std::min(kWarm, 1)) taken.push_back(since(begin));
  }
  std::sort(taken.begin(), taken.end());
  return percentiles(taken);
}

std::string shapes(const Model& m, const std::vector<Datum>& inputs) {
  std::string text;
  const auto& ports = m[m.main()].inputs;
  for (size_t i = 0; i < inputs.size() && i < ports.size(); ++i)
    if (const Tensor* t = inputs[i].tensor()) {
      std::string dims;
      for (const int64_t d : t->dims) dims += (dims.empty() ? "" : " x ") + std::to_string(d);
      text += fmt::format("{}{} [{}]", text.empty() ? "" : ", ", ports[i].name, dims);
    }
  return text;
}

}  // namespace

Machine this_machine() {
  Machine machine;
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.rfind("model name", 0) == 0) {
      machine.cpu = line.substr(std::min(line.find(':') + 2, line.size()));
      break;
    }
  cpu_set_t set;
  machine.cores = ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  return machine;
}

Latencies measure_latency(const Model& before, const fs::path& before_file, const Model& after,
                          const fs::path& after_file, const std::vector<Datum>& inputs) {
  Latencies l;
  l.input = shapes(before, inputs);
  const int threads = this_machine().cores;
  if (before_file != "-" && after_file != "-") {
    NamedTensors arrays;
    const auto& ports = before[before.main()].inputs;
    for (size_t i = 0; i < inputs.size() && i < ports.size(); ++i)
      if (const Tensor* t = inputs[i].tensor()) arrays.emplace_back(ports[i].name, *t);
    const Scratch feed;
    write_npz(feed.path(), arrays);
    const char* named = std::getenv("LATHE_PYTHON");
    const std::string said =
        output_of({named != nullptr && *named != '\0' ? named : "python3", "-c", kScript,
                   before_file.string(), after_file.string(), feed.path(), std::to_string(kWarm),
                   std::to_string(kRuns), std::to_string(kSeconds), std::to_string(threads)});
    const auto j = nlohmann::json::parse(said, nullptr, false);
    if (j.is_object() && j.contains("before") && j.contains("after")) {
      l.runtime = fmt::format("onnxruntime {}, {} threads", j.value("version", "?"), threads);
      l.before = percentiles(j["before"].get<std::vector<double>>());
      l.after = percentiles(j["after"].get<std::vector<double>>());
      return l;
    }
    l.why =
        "onnxruntime's Python package is not there or cannot run both models (LATHE_PYTHON names an "
        "interpreter)";
  } else {
    l.why = "a stream cannot be given to onnxruntime";
  }
  try {
    l.before = in_executor(before, inputs);
    l.after = in_executor(after, inputs);
    l.runtime = fmt::format("lathe's executor, {} threads", threads);
  } catch (const Error& e) {
    l.why += fmt::format("; lathe's executor: {}", e.what());
  }
  return l;
}

}  // namespace lathe::report
