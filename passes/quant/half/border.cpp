#include "passes/quant/half/border.h"

#include <fmt/format.h>

#include "ir/ops/convert.h"
#include "passes/quant/half/slots.h"

namespace lathe {
namespace {

constexpr auto kFloat = static_cast<int64_t>(DType::F32);

Type with_dtype(Type t, DType dtype) {
  t.dtype = dtype;
  return t;
}

// v becomes a half; who read it reads a Cast of it, placed before `before` (none: at the end).
void narrow_value(PassContext& ctx, ValueId v, GraphId g, NodeId before, const HalfKind& kind) {
  Model& m = ctx.model;
  const Type wide = m[v].type;
  const std::vector<Use> uses = m[v].uses;
  const NodeId cast = m.create("", "Cast", {v}, attrs({{"to", kFloat}}), 1,
                               m.unique_name(m[v].name + "/Cast"), {m.unique_name(m[v].name + "_float")});
  const ValueId back = m[cast].out[0];
  m.set_type(back, wide);
  m.set_type(v, with_dtype(wide, kind.dtype));
  for (const Use& u : uses) m.set_input(u.node, u.slot, back);
  if (m[back].uses.empty())
    m.erase(cast);
  else
    m.place(cast, g, before);
}

// The half twin of v, for an operand of `reader` (a node of g or its `ret`).
void narrow_operand(PassContext& ctx, NodeId reader, size_t slot, GraphId g, HalfValues& twins) {
  Model& m = ctx.model;
  const ValueId v = m[reader].in[slot];
  // Casts are named after the reader; at the end of a graph they have no scope.
  const NodeId near = m.is_hidden(reader) && m[g].last ? m[g].last : reader;
  Builder b(m, ctx.values, near);
  std::vector<NodeId> context;
  const ValueId twin = twins.of(b, g, v, context);
  for (const NodeId n : b.made()) m.place(n, g, m.is_hidden(reader) ? NodeId{} : reader);
  for (const NodeId n : b.made())
    if (m[m[n].out[0]].name.empty()) m.set_name(m[n].out[0], m.unique_name(m[v].name + "_half"));
  twins.keep();
  m.set_input(reader, slot, twin);
  if (m[v].def && !m.is_hidden(m[v].def)) erase_dead(m, {m[v].def});
}

}  // namespace

size_t convert_inputs(PassContext& ctx, const HalfKind& kind) {
  Model& m = ctx.model;
  const GraphId g = m.main();
  size_t changed = 0;
  for (size_t i = 0; i < m[g].inputs.size(); ++i) {
    const ValueId v = m.inputs(g)[i];
    if (!is_f32(m, v)) continue;
    if (!ctx.spend(std::string(kind.name) + "-input", m[g].inputs[i].name,
                   fmt::format("an input of float32 became {}", onnx_name(kind.dtype))))
      return changed;
    narrow_value(ctx, v, g, m[g].first, kind);
    m.edit(g).inputs[i].type.dtype = kind.dtype;
    if (m[v].constant) m.set_constant(v, std::make_shared<const Tensor>(half_constant(*m[v].constant, kind)));
    ++changed;
  }
  return changed;
}

size_t convert_outputs(PassContext& ctx, const HalfKind& kind, HalfValues& twins) {
  Model& m = ctx.model;
  const GraphId g = m.main();
  size_t changed = 0;
  for (size_t i = 0; i < m[g].outputs.size(); ++i) {
    if (!is_f32(m, m.outputs(g)[i])) continue;
    if (!ctx.spend(std::string(kind.name) + "-output", m[g].outputs[i].name,
                   fmt::format("an output of float32 became {}", onnx_name(kind.dtype))))
      return changed;
    narrow_operand(ctx, m[g].ret, i, g, twins);
    m.edit(g).outputs[i].type.dtype = kind.dtype;
    ++changed;
  }
  return changed;
}

bool open_border(PassContext& ctx, const HalfKind& kind, HalfValues& twins, NodeId n) {
  Model& m = ctx.model;
  if (!ctx.spend(std::string(kind.name) + "-border", node_label(m, n),
                 fmt::format("what it carries became {}", onnx_name(kind.dtype))))
    return false;
  for (size_t i = 0; i < m[n].in.size(); ++i)
    if (is_f32(m, m[n].in[i])) narrow_operand(ctx, n, i, m[n].parent, twins);
  for (const GraphId g : m.subgraphs(n))
    for (size_t i = 0; i < m[g].inputs.size(); ++i) {
      const ValueId v = m.inputs(g)[i];
      if (!is_f32(m, v)) continue;
      narrow_value(ctx, v, g, m[g].first, kind);
      if (m[g].inputs[i].type.is_tensor()) m.edit(g).inputs[i].type.dtype = kind.dtype;
    }
  return true;
}

void close_border(PassContext& ctx, const HalfKind& kind, HalfValues& twins, NodeId n) {
  Model& m = ctx.model;
  for (const GraphId g : m.subgraphs(n))
    for (size_t i = 0; i < m[g].outputs.size(); ++i) {
      if (!is_f32(m, m.outputs(g)[i])) continue;
      narrow_operand(ctx, m[g].ret, i, g, twins);
      if (m[g].outputs[i].type.is_tensor()) m.edit(g).outputs[i].type.dtype = kind.dtype;
    }
  const std::vector<ValueId> results = m[n].out;
  for (const ValueId v : results)
    if (is_f32(m, v)) narrow_value(ctx, v, m[n].parent, m[n].next, kind);
}

}  // namespace lathe
