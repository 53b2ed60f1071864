#include "passes/quant/half/keep.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/base/error.h"
#include "ir/onnx/schema.h"
#include "passes/quant/glob.h"

namespace lathe {
KeepList::KeepList(std::string_view pass, const std::string& text) {
  size_t start = 0;
  while (start < text.size()) {
    const size_t end = std::min(text.find('+', start), text.size());
    const std::string word = text.substr(start, end - start);
    start = end + 1;
    if (word.empty()) continue;
    bool known = false;
    for (size_t r = 0; r < kRoleCount; ++r)
      if (role_name(static_cast<Role>(r)) == word) {
        roles_.push_back(static_cast<Role>(r));
        known = true;
      }
    if (known) continue;
    if (word.find('*') != std::string::npos)
      names_.push_back(word);
    else if (first_version("", word) > 0 || first_version("com.microsoft", word) > 0)
      ops_.push_back(word);
    else
      fail_usage("pass '{}': keep={} is no role, no op and no pattern of names (with a '*')", pass, word);
  }
}

std::string KeepList::reason(const Model& m, NodeId n, const Roles& roles) const {
  const Role role = roles[n].role;
  if (std::find(roles_.begin(), roles_.end(), role) != roles_.end())
    return fmt::format("keep={}", role_name(role));
  if (std::find(ops_.begin(), ops_.end(), m[n].type) != ops_.end()) return fmt::format("keep={}", m[n].type);
  for (const std::string& p : names_)
    if (glob_matches(p, m[n].name)) return fmt::format("keep={}", p);
  return {};
}

}  // namespace lathe
