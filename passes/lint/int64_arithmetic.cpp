#include <algorithm>
#include <array>
#include <set>

#include "ir/core/walk.h"
#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {
namespace {

constexpr std::array kArithmetic = {
    "Abs",  "Add",         "Clip",      "CumSum",    "Div",  "Equal", "Greater", "GreaterOrEqual",
    "Less", "LessOrEqual", "MatMul",    "Max",       "Min",  "Mod",   "Mul",     "Neg",
    "Pow",  "ReduceMax",   "ReduceMin", "ReduceSum", "Sign", "Sub",   "Where"};

// Large for sure, or for long inputs: three axes and more, two that grow with one symbol, or 64 k elements.
bool is_large(const Type& t) {
  if (!t.is_tensor() || !t.shape) return false;
  constexpr int64_t kMany = 1 << 16;
  int64_t fixed = 1;
  size_t free = 0;
  std::set<std::string> symbols;
  bool square = false;
  for (const Dim d : *t.shape) {
    if (d.is_const()) {
      fixed = d.value() > 0 && fixed > kMany / d.value() ? kMany : std::max<int64_t>(1, fixed * d.value());
      continue;
    }
    ++free;
    for (const std::string& s : d.symbols()) square = !symbols.insert(s).second || square;
  }
  return fixed >= kMany || square || free >= 3 || (free == 2 && fixed >= 64);
}

void run(Context& c) {
  const Model& m = c.model();
  for_each_node(m, [&](NodeId n) {
    const Node& node = m[n];
    if (!node.domain.empty() ||
        std::none_of(kArithmetic.begin(), kArithmetic.end(), [&](const char* t) { return node.type == t; }))
      return;
    // Of a selection its branches count, of a comparison its operands.
    const ValueId v = node.input(node.type == "Where" ? 1 : 0);
    if (!v || !m[v].type.is_tensor() || m[v].type.dtype != DType::I64) return;
    Type shape = m[node.output(0)].type;
    if (node.type.starts_with("Reduce")) shape = m[v].type;
    if (is_large(shape)) c.at_node(n, fmt::format("{} of int64 {}", node.type, to_string(*shape.shape)));
  });
}

}  // namespace

LintDef int64_arithmetic() {
  return {.id = "int64-arithmetic",
          .group = "types",
          .severity = Severity::note,
          .summary = "int64 arithmetic on large tensors",
          .help =
              "Framework integers are int64 by default. Vector units do half as many of them, GPUs emulate "
              "them, WebGPU and CoreML have none. Shape arithmetic and id vectors are not told, only tensors "
              "that grow with the square of a length or have many elements.",
          .fix = "compute masks and positions in int32 or bool in the model's source",
          .run = run};
}

}  // namespace lathe::lint
