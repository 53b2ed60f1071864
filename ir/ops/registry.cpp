#include <algorithm>
#include <stdexcept>

#include "ir/ops/all_ops.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

std::string key(std::string_view domain, std::string_view type) {
  std::string k(domain);
  return k.append("::").append(type);
}

}  // namespace

void OpRegistry::add(OpDef def) {
  auto k = key(def.domain, def.type);
  auto entry = std::make_unique<OpDef>(std::move(def));
  if (!defs_.try_emplace(k, std::move(entry)).second) throw std::logic_error("op registered twice: " + k);
}

const OpDef* OpRegistry::find(std::string_view domain, std::string_view type) const {
  const auto it = defs_.find(key(domain, type));
  return it == defs_.end() ? nullptr : it->second.get();
}

const OpDef* OpRegistry::find(const Node& n) const {
  if (n.canonical()) return find(n.domain, n.type);
  return find(n.domain, n.type + "@" + std::to_string(n.attrs.i("$since", 0)));
}

std::vector<const OpDef*> OpRegistry::all() const {
  std::vector<const OpDef*> out;
  for (const auto& [k, def] : defs_) out.push_back(def.get());
  std::sort(out.begin(), out.end(), [](const OpDef* a, const OpDef* b) {
    return a->domain != b->domain ? a->domain < b->domain : a->type < b->type;
  });
  return out;
}

const OpRegistry& op_registry() {
  static const OpRegistry registry = [] {
    OpRegistry r;
    register_all_ops(r);
    return r;
  }();
  return registry;
}

}  // namespace lathe
