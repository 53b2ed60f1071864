// What a scheme does to a model's latency, before anything is made: onnxruntime's CPU kernels on a processor
// with VNNI, measured (docs/precision.md, "Latency").
#pragma once
#include <vector>

#include "passes/quant/search/layers.h"

namespace lathe {

// Sets LayerOption::time: how much of the float model's latency (batch 1, 128 tokens) the option adds, or
// takes away where negative.
void set_times(const Model& m, const std::vector<WeightSite>& sites, std::vector<Layer>& layers);

}  // namespace lathe
