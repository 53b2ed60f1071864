// Borders of graphs: inputs and outputs of the model, and what an If, Loop or Scan takes, carries and gives.
#pragma once
#include "passes/quant/half/half_values.h"
#include "passes/quant/half/plan.h"

namespace lathe {

// Float32 inputs of main become halves, with a Cast behind each for those who read float. Returns how many.
size_t convert_inputs(PassContext& ctx, const HalfKind& kind);
// Float32 outputs of main, from their half twins.
size_t convert_outputs(PassContext& ctx, const HalfKind& kind, HalfValues& twins);

// A control node's operands and its bodies' inputs, before its bodies are converted; false if fuel is out.
bool open_border(PassContext& ctx, const HalfKind& kind, HalfValues& twins, NodeId n);
// Its bodies' outputs and its results, after them. The Casts say what they carried before.
void close_border(PassContext& ctx, const HalfKind& kind, HalfValues& twins, NodeId n);

}  // namespace lathe
