// bind-dims, rename-dims, clamp-batch: what the file calls its sizes. The nodes stay as they are.
#include "passes/shape/dims.h"

#include <algorithm>
#include <sstream>

#include "ir/base/parse.h"
#include "ir/core/walk.h"
#include "passes/all_passes.h"
#include "passes/analysis/axes.h"

namespace lathe {
namespace {

Type substituted(Type t, const DimMap& with) {
  if (t.shape)
    for (Dim& d : *t.shape) d = d.substitute(with);
  if (t.item) t.item = std::make_shared<const Type>(substituted(*t.item, with));
  return t;
}

// The options of bind-dims and rename-dims: names of dims, in alphabetical order.
std::vector<std::pair<std::string, std::string>> own_names(const PassOptions& o) {
  std::vector<std::pair<std::string, std::string>> out;
  std::istringstream lines(o.text("NAME"));
  for (std::string line; std::getline(lines, line);) {
    const size_t equals = line.find('=');
    out.emplace_back(line.substr(0, equals), line.substr(equals + 1));
  }
  return out;
}

bool has_dim(const Model& m, const std::string& name) {
  const auto names = dim_names(m);
  return std::find(names.begin(), names.end(), name) != names.end();
}

void bind_dim(PassContext& ctx, const std::string& rule, const std::string& name, int64_t size) {
  if (!ctx.spend(rule, name, fmt::format("is {} now", size))) return;
  substitute_dims(ctx.model,
                  [&](const std::string& n) { return n == name ? std::optional(Dim(size)) : std::nullopt; });
}

// The remark of a name that is not there has no node: the first stands for the model.
void not_there(PassContext& ctx, const std::string& rule, const std::string& name) {
  const NodeId first = ctx.model[ctx.model.main()].first;
  const std::string known = fmt::format("{}", fmt::join(dim_names(ctx.model), ", "));
  if (first)
    ctx.missed(
        rule, first,
        fmt::format("the model has no symbolic dim '{}' ({})", name, known.empty() ? "it has none" : known));
}

}  // namespace

void substitute_dims(Model& m, const DimMap& with) {
  for (const GraphId g : nested_graphs(m, m.main())) {
    Graph& graph = m.edit(g);
    for (auto* ports : {&graph.inputs, &graph.outputs})
      for (Port& p : *ports) p.type = substituted(p.type, with);
    for (ValueInfo& v : graph.value_info) v.type = substituted(v.type, with);
    const auto value = [&](ValueId v) {
      if (!v || m[v].constant != nullptr) return;
      Type t = substituted(m[v].type, with);
      if (!(t == m[v].type)) m.set_type(v, std::move(t));
    };
    for (const ValueId v : m.inputs(g)) value(v);
    for (NodeId n = m[g].first; n; n = m[n].next)
      for (const ValueId v : m[n].out) value(v);
  }
}

std::vector<std::string> dim_names(const Model& m) {
  std::vector<std::string> out;
  for (const auto* ports : {&m[m.main()].inputs, &m[m.main()].outputs})
    for (const Port& p : *ports)
      if (p.type.shape)
        for (const Dim d : *p.type.shape)
          for (const std::string& name : d.symbols())
            if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
  return out;
}

PassDef bind_dims() {
  PassDef p;
  p.name = "bind-dims";
  p.group = "shape";
  p.summary = "Give symbolic dims a size: bind-dims{batch=1,sequence=128}";
  p.options = {{"NAME", "the size of the symbolic dim of that name", ""}};
  p.run = [](PassContext& ctx, const PassOptions& o) {
    for (const auto& [name, text] : own_names(o)) {
      const auto size = parse_number<int64_t>(text);
      if (!size || *size < 0) fail_usage("pass 'bind-dims': '{}' wants a size, not '{}'", name, text);
      if (has_dim(ctx.model, name))
        bind_dim(ctx, "bind-dims", name, *size);
      else
        not_there(ctx, "bind-dims", name);
    }
  };
  return p;
}

PassDef rename_dims() {
  PassDef p;
  p.name = "rename-dims";
  p.group = "shape";
  p.summary = "Rename symbolic dims: rename-dims{s0=batch,s1=sequence}";
  p.options = {{"NAME", "the new name of the symbolic dim of that name", ""}};
  p.run = [](PassContext& ctx, const PassOptions& o) {
    for (const auto& [name, to] : own_names(o)) {
      if (to.empty() || to == "true") fail_usage("pass 'rename-dims': '{}' wants a new name", name);
      if (!has_dim(ctx.model, name)) {
        not_there(ctx, "rename-dims", name);
        continue;
      }
      // Two names that become one would state that the sizes are equal, which nobody has shown.
      if (has_dim(ctx.model, to)) fail_usage("pass 'rename-dims': the model has a dim '{}' already", to);
      if (!ctx.spend("rename-dims", name, fmt::format("is '{}' now", to))) return;
      const Dim d = Dim::symbol(to);
      substitute_dims(ctx.model, [&, old = name](const std::string& n) {
        return n == old ? std::optional(d) : std::nullopt;
      });
    }
  };
  return p;
}

PassDef clamp_batch() {
  PassDef p;
  p.name = "clamp-batch";
  p.group = "shape";
  p.summary = "Say in the file what --axes proves: a batch axis that is called free but is not gets its size";
  p.options = {{"always", "clamp to 1 even where the axis is free", "false"}};
  p.run = [](PassContext& ctx, const PassOptions& o) {
    Model typed = ctx.model;
    const AxisVerdict v = analyze_axes(typed).batch;
    if (v.symbol.empty() || !has_dim(ctx.model, v.symbol)) return;
    const bool stuck = v.kind == AxisVerdict::Kind::clamped || v.kind == AxisVerdict::Kind::fixed;
    if (stuck || o.flag("always")) bind_dim(ctx, "clamp-batch", v.symbol, stuck ? v.size : 1);
  };
  return p;
}

}  // namespace lathe
