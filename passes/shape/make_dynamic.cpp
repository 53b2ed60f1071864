// make-dynamic{batch}: the batch axis, frozen when the model was exported, becomes a symbol again. Constants
// that hold the old size are repaired where shapes prove it: a Reshape or Expand whose operand starts with
// the batch copies it instead of naming it. A node that stays in the way is named, and then the file's types
// stay as they are.
#include <algorithm>

#include "ir/core/walk.h"
#include "passes/all_passes.h"
#include "passes/analysis/axes.h"
#include "passes/core/facts.h"
#include "passes/shape/dims.h"

namespace lathe {
namespace {

constexpr const char* kRule = "make-dynamic";

// A copy of the model whose inputs have the symbol on axis 0, typed from there on.
Model with_symbol(const Model& m, Dim batch, int64_t old) {
  Model trial = m;
  const auto in = trial.inputs(trial.main());
  Graph& g = trial.edit(trial.main());
  for (size_t i = 0; i < in.size(); ++i) {
    Type& t = g.inputs[i].type;
    if (trial[in[i]].constant != nullptr || !t.shape || t.shape->size() < 2 ||
        !t.shape->front().is_const(old))
      continue;
    t.shape->front() = batch;
    trial.set_type(in[i], t);
  }
  // What the file says of the outputs holds at the old size.
  for (Port& p : g.outputs) p.type.shape.reset();
  return trial;
}

std::string node_text(const Model& m, NodeId n) { return fmt::format("{} '{}'", m[n].type, m[n].name); }

class Repair {
 public:
  Repair(PassContext& ctx, Dim batch, int64_t old) : ctx_(ctx), batch_(batch), old_(old) {}

  // Repairs what blocks, in order, until nothing more can be repaired.
  void run() {
    for (int round = 0; round < kMaxRounds && !ctx_.out_of_fuel(); ++round) {
      Model trial = with_symbol(ctx_.model, batch_, old_);
      try {
        analyze_shapes(trial, {.trust_declared = false, .solve = false});
      } catch (const Error&) {  // NOLINT(bugprone-empty-catch)
        // Two nodes contradict each other under the symbol: repairs look at the types found so far.
      }
      bool any = false;
      for (const NodeId n : ctx_.model.nodes(ctx_.model.main()))
        if (!ctx_.model[n].erased && target(trial, n)) any = true;
      if (!any) return;
    }
  }

 private:
  static constexpr int kMaxRounds = 256;

  // Reshape to [old, ...]: 0 copies the operand's leading dim; or, where the batch is part of a product and
  // everything behind it has a number, -1 finds it.
  bool target(const Model& trial, NodeId n) {
    const Node& node = ctx_.model[n];
    if (!node.is("Reshape") || node.attrs.i("allowzero", 0) != 0) return false;
    const Tensor* t = ctx_.model.constant(node.input(1));
    const ValueId data = node.input(0), result = node.output(0);
    if (data.v >= trial.value_capacity()) return false;  // made in this round: the next one types it
    const Shape* x = shape_of(trial, data);
    if (t == nullptr || t->rank() != 1 || t->count() == 0 || x == nullptr || x->empty()) return false;
    std::vector<int64_t> want = t->to_i64();
    if (want[0] != old_) return false;
    const bool inferred = std::find(want.begin(), want.end(), -1) != want.end();
    if ((*x)[0] == batch_) {
      want[0] = 0;
    } else if (!inferred && varies((*x)[0]) && std::find(want.begin(), want.end(), 0) == want.end()) {
      want[0] = -1;
    } else {
      return false;
    }
    Builder b(ctx_.model, ctx_.values, n);
    const ValueId made = b.op("Reshape", {data, b.ints(want, "shape")});
    return ctx_.commit(
        b, {.rule = kRule,
            .root = n,
            .taken = {n},
            .replace = {{result, made}},
            .exactness = Exactness::bitwise,
            .what = fmt::format("takes the batch from its operand, not from the number {}", old_)});
  }

  bool varies(Dim d) const {
    const auto names = d.symbols();
    return std::find(names.begin(), names.end(), batch_.symbol_name()) != names.end();
  }

  PassContext& ctx_;
  Dim batch_;
  int64_t old_;
};

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
    Model before = m;
    const AxisVerdict verdict = analyze_axes(before).batch;
    if (verdict.kind == AxisVerdict::Kind::free || verdict.kind == AxisVerdict::Kind::none) return;
    const std::string name = verdict.symbol.empty() ? o.text("name") : verdict.symbol;
    const auto names = dim_names(m);
    if (verdict.symbol.empty() && std::find(names.begin(), names.end(), name) != names.end())
      fail_usage("pass 'make-dynamic': the model has a dim '{}' already; give another with name=", name);
    const Dim batch = Dim::symbol(name);
    Repair(ctx, batch, verdict.size).run();

    Model proven = with_symbol(m, batch, verdict.size);
    try {
      const Axes axes = analyze_axes(proven);
      if (axes.batch.kind != AxisVerdict::Kind::free) {
        const std::string by = axes.batch.by ? node_text(proven, axes.batch.by) : std::string("an output");
        return ctx.missed(kRule, first, fmt::format("{} stays in the way: {}", by, axes.batch.why));
      }
    } catch (const Error& e) {
      return ctx.missed(kRule, first, fmt::format("the batch cannot be freed: {}", e.what()));
    }
    if (!ctx.spend(kRule, name, fmt::format("axis 0 is '{}' instead of {}", name, verdict.size))) return;
    declare(m, proven);
  };
  return p;
}

}  // namespace lathe
