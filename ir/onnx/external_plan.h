// Which tensors of a model go to external data files, and where in them.
#pragma once
#include <filesystem>
#include <string>
#include <unordered_map>
#include <vector>

#include "ir/core/model.h"
#include "ir/onnx/save.h"
#include "ir/onnx/wire.h"

namespace lathe {

struct DataFile {
  std::string name;  // below the model's folder
  struct Piece {
    uint64_t offset;
    wire::Bytes bytes;
  };
  std::vector<Piece> pieces;  // by offset
  uint64_t size = 0;
  bool is_copy = false;  // of a file that the model was loaded with, under the location that it had
};

struct ExternalPlan {
  std::unordered_map<const Tensor*, StringPairs> entries;  // external_data of the tensors that are outside
  std::vector<DataFile> files;                             // to be written
};

// `folder` and `model_name` are those of the model file to be written. Tensors that share their bytes share
// their place. Under External::keep, tensors that are still slices of the data file that they were loaded
// from keep their entries: into another folder that file is copied. A file that the model is mapped from is
// never written.
ExternalPlan plan_external(const Model& m, const std::filesystem::path& folder, const std::string& model_name,
                           const SaveOptions& options);

}  // namespace lathe
