#include "passes/core/remark.h"

#include <fmt/format.h>

#include "ir/core/model.h"

namespace lathe {

std::string node_label(const Model& m, NodeId n) {
  const Node& node = m[n];
  if (!node.name.empty()) return node.name;
  for (const ValueId v : node.out)
    if (v && !m[v].name.empty()) return fmt::format("{} -> {}", node.type, m[v].name);
  return node.type;
}

}  // namespace lathe
