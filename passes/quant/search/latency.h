// What a scheme does to a model's latency, before anything is made: onnxruntime's CPU kernels on a processor
// with AVX512-VNNI, as bench/latency.py measures them (docs/precision.md, "Latency").
#pragma once
#include <vector>

#include "passes/quant/search/layers.h"

namespace lathe {

// Sets LayerOption::time: how much of the float model's time the option adds, or takes away where negative.
// Gives what SkipLayerNormalization costs over Add and LayerNormalization, which it is in the float model as
// exported and beside quant-dynamic, but not beside weight-only schemes: also as a part of the float model's.
LengthTimes set_times(const Model& m, const std::vector<WeightSite>& sites, std::vector<Layer>& layers);

}  // namespace lathe
