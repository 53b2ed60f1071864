#include "ir/core/extract.h"

#include <unordered_set>

#include "ir/core/order.h"
#include "ir/core/walk.h"

namespace lathe {

Model extract(const Model& m, std::span<const NodeId> nodes, std::span<const ValueId> outputs) {
  // A snapshot keeps ids, attributes and subgraphs as they are; the chosen nodes then move to a graph of
  // their own.
  Model out = m;
  const GraphId g = out.add_graph({}, m[m.main()].name);
  const std::unordered_set<NodeId> chosen(nodes.begin(), nodes.end());
  std::unordered_set<ValueId> seen;
  std::vector<ValueId> outside;
  const auto look = [&](ValueId v) {
    if (!v || (m[v].def && chosen.contains(m[v].def)) || !seen.insert(v).second) return;
    outside.push_back(v);
  };
  for (const NodeId n : nodes) {
    for (const ValueId v : m[n].in) look(v);
    for (const GraphId s : m.subgraphs(n))
      for (const ValueId v : captures(m, s)) look(v);
  }
  for (const ValueId v : outputs) look(v);
  for (const ValueId v : outside) {
    const TensorPtr t = m.constant_ptr(v);
    const std::string name = out.unique_name(m[v].name.empty() ? "v" : m[v].name);
    const ValueId fresh = t ? out.add_initializer(g, *t, name) : out.add_input(g, {name, m[v].type, nullptr});
    out.replace_uses(v, fresh);
  }
  for (const NodeId n : nodes) out.place(n, g);
  for (const ValueId v : outputs) {
    const bool inside = m[v].def && chosen.contains(m[v].def);
    if (!inside) continue;
    if (out[v].name.empty()) out.set_name(v, out.unique_name("out"));
    out.add_output(g, v, {out[v].name, m[v].type, nullptr});
  }
  out.set_main(g);
  restore_order(out, g);
  return out;
}

}  // namespace lathe
