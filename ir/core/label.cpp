#include "ir/core/label.h"

#include "ir/core/model.h"

namespace lathe {

std::string node_place(const Model& m, const Node& n) {
  std::string where = n.name.empty() ? std::string("a node") : "node '" + n.name + "'";
  where += " (" + (n.domain.empty() ? n.type : n.domain + "." + n.type);
  for (const ValueId v : n.out)
    if (v && !m[v].name.empty()) return where + ", makes '" + m[v].name + "')";
  return where + ")";
}

}  // namespace lathe
