// Pipelines: "a,b{key=value,flag},group". Parsing, and running with checks between passes.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "passes/core/pass.h"

namespace lathe {

struct PipelineStep {
  std::string name;  // of a pass or a group
  std::map<std::string, std::string> options;
};

// Unknown names, unknown options and bad syntax are usage errors (with the nearest known name). "" is no
// pass.
std::vector<PipelineStep> parse_pipeline(std::string_view text);

struct PassReport {
  std::string pass;
  bool changed = false;
  uint64_t commits = 0;
  double seconds = 0;
  size_t nodes_before = 0, nodes_after = 0;
};

struct PipelineReport {
  std::vector<PassReport> passes;  // in the order they ran, repeats included
  std::vector<Remark> remarks;
  Findings findings;
  std::map<std::string, uint64_t> stats;
  uint64_t rejected = 0;
};

struct PipelineHooks {
  // After a pass that changed the model.
  std::function<void(const PassReport&, const Model&)> changed;
  // Before each pass: progress.
  std::function<void(const std::string& pass)> starting;
};

// Runs the steps. After each pass: types are inferred again, and the pass's own word is held against the
// model's structural hash. Verify::model also runs the whole model before and after on seeded inputs (error
// if they differ).
PipelineReport run_pipeline(Model& m, const std::vector<PipelineStep>& steps, PassSettings settings,
                            const PipelineHooks& hooks = {});

}  // namespace lathe
