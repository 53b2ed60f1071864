// onnx-inspect's summary of a model.
#pragma once
#include <filesystem>
#include <string>

#include "ir/core/model.h"

namespace lathe::view {

struct SummaryOptions {
  bool all_ops = false;  // every op, not just the most frequent
};

std::string summary_text(const Model& m, const std::filesystem::path& path, const SummaryOptions& options);
std::string summary_json(const Model& m, const std::filesystem::path& path);

}  // namespace lathe::view
