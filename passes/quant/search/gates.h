// INT8 activations behind a switch: a copy of the model in which each product's input can be rounded as
// DynamicQuantizeLinear would, so that a search tries that like any other change of a constant.
#pragma once
#include <map>
#include <vector>

#include "ir/core/model.h"
#include "ir/ops/infer_ctx.h"
#include "passes/quant/sites.h"

namespace lathe {

//   x => Where (gate, DequantizeLinear (DynamicQuantizeLinear (x)), x)
// The gates by product, all of them false. Products of float32 alone get one.
std::map<NodeId, ValueId> add_gates(Model& m, ShapeValues& values, const std::vector<WeightSite>& sites);

}  // namespace lathe
