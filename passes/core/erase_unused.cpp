#include "passes/core/erase_unused.h"

namespace lathe {

void erase_unused(Model& m, const std::vector<ValueId>& values) {
  for (const ValueId v : values)
    if (v && !m[v].erased && m[v].uses.empty() && m.is_initializer(v)) m.erase_initializer(v);
}

}  // namespace lathe
