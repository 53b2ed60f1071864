// Gradient of ai.onnx.preview.training: derivatives of a value y of the graph around the node. Its inputs
// stand for the values named by xs and zs; what lies between them and y is evaluated at these inputs and
// differentiated in reverse mode.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "ir/ops/eval_ctx.h"

namespace lathe {

inline constexpr std::string_view kTrainingDomain = "ai.onnx.preview.training";
// Internal attribute: behind its own inputs the node has, as inputs, the values that xs, zs and y name. Then
// these count, not the names (passes/core/gradient_names.h).
inline constexpr std::string_view kNamedInputs = "$named";

bool is_gradient(const Node& n);
// Values of g by the names that a Gradient in it may use.
std::unordered_map<std::string, ValueId> values_by_name(const Model& m, GraphId g);
// A schema's function body for a node on these inputs (null: omitted), as a graph of a model that lives as
// long as the function; model null: it has none.
struct OpBody {
  const Model* model = nullptr;
  GraphId graph;
};
using ExpandOp = std::function<OpBody(const Node&, std::span<const Datum* const>)>;

// m: the model of c's node. precise: as ExecOptions::precise. An op without a known derivative is
// differentiated through its function body; if it has none that is an error that names it, and so is a y that
// depends on a value which is neither in xs nor in zs nor constant.
void eval_gradient(const Model& m, EvalCtx& c, bool precise, const ExpandOp& expand);

}  // namespace lathe
