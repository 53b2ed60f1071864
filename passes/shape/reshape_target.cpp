#include "passes/shape/reshape_target.h"

#include <algorithm>
#include <unordered_set>

namespace lathe {

std::optional<std::vector<int64_t>> reshape_target(const Shape& from, const Shape& to) {
  std::vector<int64_t> out;
  bool open = false;
  for (size_t i = 0; i < to.size(); ++i) {
    if (const auto c = to[i].constant()) {
      if (*c <= 0) return std::nullopt;  // 0 means "copy"
      out.push_back(*c);
    } else if (i < from.size() && from[i] == to[i]) {
      out.push_back(0);
    } else {
      if (open) return std::nullopt;
      open = true;
      out.push_back(-1);
    }
  }
  return out;
}

std::optional<std::vector<int64_t>> expand_target(const Shape& from, const Shape& to) {
  if (from.size() > to.size()) return std::nullopt;
  const size_t shift = to.size() - from.size();
  std::vector<int64_t> out;
  for (size_t i = 0; i < to.size(); ++i) {
    if (const auto c = to[i].constant()) {
      if (*c < 0) return std::nullopt;
      out.push_back(*c);
    } else if (i >= shift && from[i - shift] == to[i]) {
      out.push_back(1);
    } else {
      return std::nullopt;
    }
  }
  return out;
}

std::vector<NodeId> shape_chain(const PassContext& ctx, ValueId v) {
  constexpr size_t kMaxNodes = 48;
  const Model& m = ctx.model;
  std::vector<NodeId> chain;
  std::unordered_set<NodeId> seen;
  std::vector<ValueId> todo{v};
  while (!todo.empty() && chain.size() < kMaxNodes) {
    const ValueId at = todo.back();
    todo.pop_back();
    if (!at || !ctx.values.contains(at)) continue;
    const NodeId n = m[at].def;
    if (!n || m.is_hidden(n) || !m.subgraphs(n).empty() || !seen.insert(n).second) continue;
    chain.push_back(n);
    if (m[n].is("Shape") || m[n].is("Size")) continue;
    todo.insert(todo.end(), m[n].in.begin(), m[n].in.end());
  }
  return chain;
}

}  // namespace lathe
