// Gradient (ai.onnx.preview.training) names values of its graph in attributes: uses that no use list holds.
// While passes run these values are inputs of the node too, behind its own, and are kept and replaced like
// any other; afterwards the names are written back.
#pragma once
#include <string>

#include "ir/core/model.h"
#include "passes/core/patch.h"

namespace lathe {

// A Gradient whose names are not found, or that its own y depends on, stays as it is.
void hold_gradient_names(Model& m);
// Takes the extra inputs away again and renames what has another name by now.
void release_gradient_names(Model& m);

// Why a patch would leave a held Gradient without its derivative; empty: it does not. It may not put an op
// without a derivative between x and y, nor lead around x.
std::string gradient_refusal(const Model& m, const Patch& patch);

}  // namespace lathe
