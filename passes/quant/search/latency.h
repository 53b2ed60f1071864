// What a scheme does to a model's latency, before anything is made: onnxruntime's CPU kernels on a processor
// with AVX512-VNNI, as bench/latency.py measures them (docs/precision.md, "Latency").
#pragma once
#include <set>
#include <vector>

#include "passes/quant/search/layers.h"

namespace lathe {

// Sets LayerOption::time: how much of the float model's time the option adds, or takes away where negative.
// The float model is the faster of what it can be: fused where that pays. `m` has its fused weights split off
// (split_fused_weights); `packed` are the weights that stood in an Attention and can stand in a QAttention.
void set_times(const Model& m, const std::vector<WeightSite>& sites, const std::set<ValueId>& packed,
               std::vector<Layer>& layers);

}  // namespace lathe
