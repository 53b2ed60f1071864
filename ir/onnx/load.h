// Loading: from the ONNX wire format straight into the IR. Weights are never copied: tensors view the mapped
// model file or its external data.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "ir/base/mapped_file.h"
#include "ir/core/model.h"

namespace lathe {

struct LoadOptions {
  bool lift =
      true;  // bring old op spellings to the canonical form (lift.h); false: to look at or save as it is
  // Open external data files, and refuse tensors without any data. false leaves both undefined: type and
  // dims, no bytes (inspection only).
  bool external_data = true;
  bool verify_checksums = false;                      // of external data files that name one
  std::function<void(const std::string&)> warn = {};  // what is sloppy but clear: one line each
};

// path "-" reads standard input. Errors name file, and graph, node or value.
Model load_model(const std::filesystem::path& path, const LoadOptions& options = {});
// bytes of a model; `folder` is where relative external data lives ("" refuses external data).
Model load_model(std::shared_ptr<const MappedFile> file, const std::string& label,
                 const std::filesystem::path& folder, const LoadOptions& options = {});

}  // namespace lathe
