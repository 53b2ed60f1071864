// INT8 activations behind switches: a copy of the model in which each product's input can be rounded as the
// kernels would, so that a search tries that like any other change of a constant.
#pragma once
#include <map>
#include <vector>

#include "ir/core/model.h"
#include "ir/ops/infer_ctx.h"
#include "passes/quant/sites.h"
#include "passes/quant/static/ranges.h"

namespace lathe {

inline constexpr int64_t kGateBlock = 128;

// Constants, false in the float model.
struct Gates {
  ValueId
      whole;  // rounded to uint8 by the range of the tensor: its own (DynamicQuantizeLinear), or a fixed one
  ValueId blocks;  // to int8 by the largest magnitude of each kGateBlock channels of a row, as MatMulNBits of
                   // accuracy_level 4 does; none where blocks would be ragged
};

//   x => Where (blocks, codes * scale, Where (whole, DequantizeLinear (DynamicQuantizeLinear (x)), x))
// The gates by product. Products of float32 alone get them. With `ranges` (by a product's input) those are
// what is rounded by, as quant-static does, and a product whose input has none gets no gate.
std::map<NodeId, Gates> add_gates(Model& m, ShapeValues& values, const std::vector<WeightSite>& sites,
                                  const std::map<ValueId, CodeRange>* ranges);

}  // namespace lathe
