// What the user wants to stay in float32: "norm+head+Softmax+*/lm_head/*".
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "passes/analysis/roles.h"

namespace lathe {

class KeepList {
 public:
  // Words with '+' between them: roles, op types, or patterns of node names with '*'. A word that is none of
  // these is a usage error.
  KeepList(std::string_view pass, const std::string& text);
  // Why the node stays; empty if it is not listed.
  std::string reason(const Model& m, NodeId n, const Roles& roles) const;

 private:
  std::vector<Role> roles_;
  std::vector<std::string> ops_, names_;
};

}  // namespace lathe
