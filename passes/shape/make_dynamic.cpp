// make-dynamic{batch}: the batch axis, frozen when the model was exported, becomes a symbol again. Constants
// that hold the old size are repaired (free_batch.h). A node that stays in the way is named, and then the
// file's types stay as they are.
#include <algorithm>

#include "passes/all_passes.h"
#include "passes/analysis/axes.h"
#include "passes/shape/batch_rows.h"
#include "passes/shape/dims.h"
#include "passes/shape/free_batch.h"

namespace lathe {
namespace {

constexpr const char* kRule = "make-dynamic";

std::string node_text(const Model& m, NodeId n) { return fmt::format("{} '{}'", m[n].type, m[n].name); }

// Gives inputs and outputs their symbols. `proven` is the model typed under the symbol.
void declare(Model& m, const Model& proven) {
  Graph& g = m.edit(m.main());
  const auto in = m.inputs(m.main()), proven_in = proven.inputs(proven.main());
  const auto out = m.outputs(m.main()), proven_out = proven.outputs(proven.main());
  for (size_t i = 0; i < in.size(); ++i) {
    g.inputs[i].type = proven[proven.main()].inputs[i].type;
    if (m[in[i]].constant == nullptr) m.set_type(in[i], proven[proven_in[i]].type);
  }
  for (size_t i = 0; i < out.size(); ++i)
    if (g.outputs[i].type.shape && proven[proven_out[i]].type.shape) {
      Shape& said = *g.outputs[i].type.shape;
      const Shape& is = *proven[proven_out[i]].type.shape;
      for (size_t k = 0; k < said.size() && k < is.size(); ++k)
        if (!is[k].has_unknown()) said[k] = is[k];
    }
  // What the file says of intermediate values holds at the old size only.
  g.value_info.clear();
  for (const NodeId n : m.nodes(m.main()))
    for (const ValueId v : m[n].out)
      if (v && m[v].constant == nullptr) m.set_type(v, Type());
}

}  // namespace

PassDef make_dynamic() {
  PassDef p;
  p.name = "make-dynamic";
  p.group = "shape";
  p.summary = "Free the batch axis: repair constants that hold its old size, name the nodes that need it";
  p.options = {{"batch", "free the batch axis", "true"}, {"name", "of the symbol", "batch"}};
  p.run = [](PassContext& ctx, const PassOptions& o) {
    if (!o.flag("batch")) return;
    Model& m = ctx.model;
    const NodeId first = m[m.main()].first;
    if (!first) return;
    const Model original = m;
    Model before = m;
    const AxisVerdict verdict = analyze_axes(before).batch;
    if (verdict.kind == AxisVerdict::Kind::free || verdict.kind == AxisVerdict::Kind::none) return;
    const std::string name = verdict.symbol.empty() ? o.text("name") : verdict.symbol;
    const auto names = dim_names(m);
    if (verdict.symbol.empty() && std::find(names.begin(), names.end(), name) != names.end())
      fail_usage("pass 'make-dynamic': the model has a dim '{}' already; give another with name=", name);
    const Dim batch = Dim::symbol(name);
    free_batch(ctx, batch, verdict.size);

    Model proven = with_batch_symbol(m, batch, verdict.size);
    try {
      const Axes axes = analyze_axes(proven);
      if (axes.batch.kind != AxisVerdict::Kind::free) {
        const std::string by = axes.batch.by ? node_text(proven, axes.batch.by) : std::string("an output");
        return ctx.missed(kRule, first, fmt::format("{} stays in the way: {}", by, axes.batch.why));
      }
    } catch (const Error& e) {
      return ctx.missed(kRule, first, fmt::format("the batch cannot be freed: {}", e.what()));
    }
    if (ctx.settings.verify != Verify::off)
      if (const auto why = batch_rows_differ(original, proven, batch, verdict.size))
        return ctx.missed(kRule, first, fmt::format("the batch cannot be freed: {}", *why));
    if (!ctx.spend(kRule, name, fmt::format("axis 0 is '{}' instead of {}", name, verdict.size))) return;
    declare(m, proven);
  };
  return p;
}

}  // namespace lathe
