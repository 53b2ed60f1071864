#include "passes/quant/weight_records.h"

#include <set>

#include "passes/quant/policy.h"

namespace lathe {

WeightRecord record_of(const Model& m, const Roles& roles, const WeightSite& s) {
  WeightRecord r;
  r.weight = m[s.stored].name;
  r.node = node_label(m, s.node);
  r.op = m[s.node].type;
  r.role = role_name(role_of(s, roles));
  r.part = part_name(roles[s.node].part);
  r.layer = roles[s.node].layer;
  r.scheme = "float";
  r.before = r.after = static_cast<int64_t>(s.weight->byte_size());
  return r;
}

std::vector<WeightRecord> records_of_rest(const Model& m, const Roles& roles,
                                          const std::vector<WeightSite>& sites) {
  std::set<ValueId> seen;
  for (const WeightSite& s : sites) {
    seen.insert(s.stored);
    if (m[s.node].in.size() > 1) seen.insert(m[s.node].in[s.kind == WeightSite::Kind::table ? 0 : 1]);
  }
  std::vector<WeightRecord> out;
  for (const NodeId n : m.nodes(m.main())) {
    for (const ValueId v : m[n].in) {
      const Tensor* t = v ? m.constant(v) : nullptr;
      if (t == nullptr || !is_floating(t->dtype) || !seen.insert(v).second) continue;
      WeightRecord r;
      r.weight = m[v].name;
      r.node = node_label(m, n);
      r.op = m[n].type;
      r.role = role_name(roles[n].role);
      r.part = part_name(roles[n].part);
      r.layer = roles[n].layer;
      r.scheme = "float";
      r.why = roles[n].role == Role::norm ? "norms stay" : "no matrix";
      r.before = r.after = static_cast<int64_t>(t->byte_size());
      out.push_back(std::move(r));
    }
  }
  return out;
}

}  // namespace lathe
