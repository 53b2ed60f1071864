#include "ir/core/label.h"

#include "ir/base/quote.h"
#include "ir/core/model.h"

namespace lathe {
namespace {

// As quote() makes it fit for one line, without the quotes.
std::string unquoted(const std::string& text) {
  const std::string quoted = quote(text);
  return quoted.substr(1, quoted.rfind('\'') - 1);
}

}  // namespace

std::string node_place(const Model& m, const Node& n) {
  std::string where = n.name.empty() ? std::string("a node") : "node " + quote(n.name);
  where += " (" + unquoted(n.domain.empty() ? n.type : n.domain + "." + n.type);
  for (const ValueId v : n.out)
    if (v && !m[v].name.empty()) return where + ", makes " + quote(m[v].name) + ")";
  return where + ")";
}

}  // namespace lathe
