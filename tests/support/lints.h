// Lints on a model given as ONNX text or bytes.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "ir/onnx/save.h"
#include "ir/onnx/text.h"
#include "passes/lint/context.h"

namespace lathe::test {

struct Found {
  std::string place, text;
  lint::Severity severity;
};

inline std::vector<Found> lint_bytes(std::string_view id, std::string bytes,
                                     const std::filesystem::path& folder = {},
                                     std::string_view target = "ort-cpu") {
  lint::Context context(MappedFile::from_bytes(std::move(bytes)), "model", folder, Target::named(target));
  std::vector<Found> out;
  for (const lint::Finding& f : run_lints(context, lint::choose_lints(id)))
    out.push_back({f.place.name, f.text, f.severity});
  return out;
}

inline std::vector<Found> lint_text(std::string_view id, std::string_view model,
                                    std::string_view target = "ort-cpu") {
  return lint_bytes(id, serialize_model(parse_model(model)), {}, target);
}

// The places that the lint names, in order.
inline std::vector<std::string> places(const std::vector<Found>& found) {
  std::vector<std::string> out;
  for (const Found& f : found) out.push_back(f.place);
  return out;
}

}  // namespace lathe::test
