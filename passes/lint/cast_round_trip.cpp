#include "ir/core/walk.h"
#include "passes/core/remark.h"
#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {
namespace {

// Ops that move elements of input 0 and leave them as they are.
bool moves(const Node& n) {
  for (const char* type :
       {"Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Expand", "Slice"})
    if (n.is(type)) return true;
  return false;
}

// Can every number of `from` be told in `to`?
bool holds(DType to, DType from) {
  if (from == DType::Bool) return true;
  if (is_integer(from) && is_integer(to))
    return is_signed_integer(from) == is_signed_integer(to)
               ? bit_width(to) >= bit_width(from)
               : is_signed_integer(to) && bit_width(to) > bit_width(from);
  const auto digits = [](DType t) {
    return t == DType::F64 ? 53 : t == DType::F32 ? 24 : t == DType::F16 ? 11 : t == DType::BF16 ? 8 : 0;
  };
  if (is_integer(from)) return digits(to) >= bit_width(from);
  if (from == DType::F16 && to == DType::BF16) return false;
  return digits(from) > 0 && digits(to) > digits(from) && !(from == DType::BF16 && to == DType::F16);
}

void run(Context& c) {
  const Model& m = c.model();
  for_each_node(m, [&](NodeId n) {
    if (!m[n].is("Cast") || c.is_shape_math(m[n].output(0))) return;
    NodeId first = m[n].input(0) ? m[m[n].input(0)].def : NodeId{};
    for (int i = 0; i < 16 && first && moves(m[first]); ++i)
      first = m[first].input(0) ? m[m[first].input(0)].def : NodeId{};
    if (!first || !m[first].is("Cast")) return;
    const DType from = m[m[first].input(0)].type.dtype, through = m[m[first].output(0)].type.dtype,
                to = m[m[n].output(0)].type.dtype;
    if (from != to || from == DType::Undefined || from == through) return;
    c.at_node(n, fmt::format("back to {} after '{}' made it {}{}", onnx_name(to), node_label(m, first),
                             onnx_name(through), holds(through, from) ? "" : ", which loses digits"));
  });
}

}  // namespace

LintDef cast_round_trip() {
  return {.id = "cast-round-trip",
          .group = "types",
          .summary = "a cast that takes back another",
          .help =
              "Two passes over the tensor for nothing, or for a rounding that was not meant. Layout ops "
              "between the two are looked through; shape arithmetic is not told.",
          .fix = "onnx-opt --passes=simplify-cast removes those that change nothing",
          .run = run};
}

}  // namespace lathe::lint
