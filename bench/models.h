// What the benchmarks work on: the sample model, and a generated graph in which only the size differs from
// exporters'.
#pragma once
#include <filesystem>
#include <string>

#include "ir/core/model.h"

namespace lathe::bench {

// samples/models/tiny-bert.onnx; ./dev bench runs in the repository's root.
std::filesystem::path sample_path();

// A transformer encoder in the spelling of PyTorch's exporter (LayerNorm and Gelu in small ops, attention by
// reshapes), dynamic batch and sequence, 49 nodes a layer. Weights are seeded and shared by the layers.
Model encoder(int layers, int64_t width = 64, int64_t heads = 4);
// The same as a file, written once per process and removed at its end.
std::filesystem::path encoder_path(int layers);

// By benchmark argument: 0 is the sample, otherwise an encoder of that many layers. Loaded once, to be
// copied.
const Model& model_of(int64_t argument);
std::filesystem::path path_of(int64_t argument);

}  // namespace lathe::bench
