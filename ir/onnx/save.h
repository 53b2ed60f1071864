// Saving: the IR straight to the ONNX wire format, streamed, written beside the target and renamed
// (OutputFile).
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "ir/core/model.h"

namespace lathe {

inline constexpr const char* kRewritesKey = "lathe.rewrites";

struct SaveOptions {
  enum class External : uint8_t {
    keep,  // as loaded: tensors that were external stay so, under their locations (or in `external_name`,
           // where given, when the model moves to another folder); others inline
    none,  // everything inline; above 2 GB an error that says what to use
    all,   // tensors of at least external_threshold bytes go to external data
  };
  External external = External::keep;
  std::string external_name = {};  // file name beside the model; default "<model>.data", or the next free one
  int64_t external_threshold = 1024;  // bytes
  int64_t shard_bytes = 0;            // > 0: several files "<name>-00001-of-00003"
  // Writes Model::trail, and this hash of the input if given, as JSON into metadata_props[kRewritesKey].
  bool provenance = false;
  std::string input_sha256 = {};
};

// path "-" writes standard output (no external data). Lowers to info.opsets first (lower.h) and says which
// node cannot be expressed there, if one cannot. A model that is moved here is not copied for that.
void save_model(Model m, const std::filesystem::path& path, const SaveOptions& options = {});
// The bytes of the model file, everything inline.
std::string serialize_model(const Model& m);

}  // namespace lathe
