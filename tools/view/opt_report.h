// What onnx-opt tells: summary, tables, JSON report.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "passes/core/pipeline.h"
#include "tools/report/measured.h"

namespace lathe::view {

struct FileFacts {
  std::string path, sha256;  // sha256 only when asked
  int64_t bytes = 0;         // the model file alone
};

struct ModelFacts {
  size_t nodes = 0;
  int64_t parameters = 0;  // elements of initializers
  int64_t parameter_bytes = 0;
  std::map<std::string, size_t> ops;
  std::map<std::string, int64_t> opsets;
};

struct OptReport {
  FileFacts input, output;
  ModelFacts before, after;
  PipelineReport pipeline;
  std::optional<report::Measured> measured;
  report::Machine machine;
  double seconds = 0;
};

FileFacts describe_file(const std::filesystem::path& path, bool hash);
ModelFacts measure(const Model& m);

std::string summary(const OptReport& r);
std::string remarks_text(const OptReport& r, bool applied, bool missed);
std::string time_table(const OptReport& r);
std::string stats_table(const OptReport& r);
std::string to_json(const OptReport& r);
// As the name ends: .md, .html; JSON otherwise.
void write_report(const OptReport& r, const std::filesystem::path& path);

}  // namespace lathe::view
