#include <fmt/format.h>

#include "ir/core/walk.h"
#include "passes/diff/changes.h"
#include "passes/diff/scope.h"
#include "passes/diff/text.h"
#include "tools/diff/text.h"

namespace lathe::cli {

std::string model_listing(const Model& m) {
  std::string out = fmt::format("ir_version {}, producer {} {}\n", m.info.ir_version,
                                shown(m.info.producer_name), shown(m.info.producer_version));
  for (const OpsetImport& o : m.info.opsets)
    out += fmt::format("opset {} {}\n", o.domain.empty() ? "ai.onnx" : shown(o.domain), o.version);
  for (const auto& [key, value] : m.info.metadata)
    out += fmt::format("metadata {} = {}\n", shown(key), shown(value, 200));
  const auto name = [&](ValueId v) {
    if (!v) return std::string("_");
    const Tensor* t = m.constant(v);
    return t != nullptr && (diff::is_small_constant(*t) || m[v].name.empty()) ? diff::tensor_text(*t)
                                                                              : shown(m[v].name);
  };
  const auto graph_title = [&](GraphId g) {
    if (g == m.main()) return "graph " + shown(m[g].name);
    for (const Function& f : m.functions)
      if (f.body == g) return "function " + shown(f.domain) + "." + shown(f.name);
    return "graph " + shown(m[g].name) + " of " + node_title(m, m[g].owner);
  };
  for (const GraphId g : all_graphs(m)) {
    out += "\n" + graph_title(g) + "\n";
    for (const Port& p : m[g].inputs)
      out += fmt::format("  input {}: {}\n", shown(p.name), diff::type_text(p.type));
    for (const Port& p : m[g].outputs)
      out += fmt::format("  output {}: {}\n", shown(p.name), diff::type_text(p.type));
    for (const ValueId v : m[g].initializers) {
      const Tensor* t = m[v].constant.get();
      if (t == nullptr || (diff::is_small_constant(*t) && m.constant(v) != nullptr)) continue;
      const std::string hash =
          t->bytes().empty() ? "data elsewhere" : fmt::format("{:016x}", content_hash(*t));
      out += fmt::format("  weight {}: {} {} {}\n", shown(m[v].name), onnx_name(t->dtype), dims_text(t->dims),
                         hash);
    }
    for (NodeId n = m[g].first; n; n = m[n].next) {
      if (diff::is_constant_node(m, n)) continue;
      std::string results, operands, attrs;
      for (const ValueId v : m[n].out)
        results += (results.empty() ? "" : ", ") + (v ? shown(m[v].name) : "_");
      for (const ValueId v : m[n].in) operands += (operands.empty() ? "" : ", ") + name(v);
      for (const Attr& a : m[n].attrs.items())
        attrs += (attrs.empty() ? "" : ", ") + shown(a.name) + " = " + diff::attr_text(m, a.value);
      out += fmt::format("  {} = {}{} ({})\n", results, shown(diff::op_name(m[n])),
                         attrs.empty() ? "" : " <" + attrs + ">", operands);
    }
  }
  return out;
}

}  // namespace lathe::cli
