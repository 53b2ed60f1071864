#include "passes/analysis/roles.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>

#include "ir/base/hash.h"
#include "passes/analysis/role_layers.h"
#include "passes/analysis/role_units.h"
#include "passes/analysis/roles_match.h"

namespace lathe {

std::string_view role_name(Role r) {
  static constexpr std::array<std::string_view, kRoleCount> kNames = {
      "other", "embedding", "attention", "feed-forward", "norm", "pooling", "head", "convolution"};
  return kNames[static_cast<size_t>(r)];
}

std::string_view part_name(Part p) {
  static constexpr std::array<std::string_view, 9> kNames = {"",       "query", "key", "value", "qkv",
                                                             "output", "gate",  "up",  "down"};
  return kNames[static_cast<size_t>(p)];
}

Roles analyze_roles(const Model& m) {
  roles::Builder b(m);
  find_attention(b);
  find_feed_forward(b);
  find_norms(b);
  find_embeddings(b);
  find_heads(b);
  find_convolutions(b);
  find_pooling(b);
  Roles r = b.finish();
  roles::number_layers(m, r);
  return r;
}

}  // namespace lathe
