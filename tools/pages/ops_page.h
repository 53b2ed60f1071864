// docs/ops.md: what the executor does with each op that has a schema.
#pragma once
#include <string>

namespace lathe {

std::string ops_page();

}  // namespace lathe
