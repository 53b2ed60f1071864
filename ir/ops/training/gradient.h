// Gradient of ai.onnx.preview.training: derivatives of a value y of the graph around the node. Its inputs
// stand for the values named by xs and zs; what lies between them and y is evaluated at these inputs and
// differentiated in reverse mode.
#pragma once
#include "ir/ops/eval_ctx.h"

namespace lathe {

bool is_gradient(const Node& n);
// m: the model of c's node. precise: as ExecOptions::precise. An op without a known derivative is an error
// that names it, and so is a y that depends on a value which is neither in xs nor in zs nor constant.
void eval_gradient(const Model& m, EvalCtx& c, bool precise);

}  // namespace lathe
