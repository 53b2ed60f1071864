// How long a model takes, before and after: in onnxruntime if its Python package is there, else in lathe's
// own executor. And on what machine.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "ir/core/model.h"
#include "ir/ops/datum.h"

namespace lathe::report {

struct Latency {
  double p50 = 0, p95 = 0;  // seconds of one run
};

struct Latencies {
  std::string runtime;  // "onnxruntime 1.31.1, 2 threads"; empty: not measured
  std::string input;    // "1 sample, 128 elements long"
  Latency before, after;
  std::string why;  // why it was not measured, or not in onnxruntime
};

// One sample (the first of `inputs`, by position), 30 runs of each after 5 to warm up, fewer where a run
// takes long. $LATHE_PYTHON names the interpreter (python3 by default).
Latencies measure_latency(const Model& before, const std::filesystem::path& before_file, const Model& after,
                          const std::filesystem::path& after_file, const std::vector<Datum>& inputs);

struct Machine {
  std::string cpu;  // "Intel(R) Xeon(R) ..."; empty if it is not told
  int cores = 0;    // that this process may use
};
Machine this_machine();

}  // namespace lathe::report
