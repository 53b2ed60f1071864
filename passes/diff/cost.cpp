#include "passes/diff/cost.h"

#include <unordered_set>

#include "ir/core/walk.h"
#include "passes/diff/scope.h"
#include "passes/diff/text.h"

namespace lathe::diff {

Cost cost_of(const Model& m) {
  Cost c;
  for_each_node(m, [&](NodeId n) {
    if (is_constant_node(m, n)) return;
    ++c.nodes;
    ++c.ops[op_name(m[n])];
  });
  std::unordered_set<const std::byte*> seen;
  for (uint32_t i = 0; i < m.value_capacity(); ++i) {
    const ValueId v{i};
    const Tensor* t = m[v].erased || m[v].uses.empty() ? nullptr : m[v].constant.get();
    if (t == nullptr || m[v].name.empty()) continue;  // unnamed: lathe's own, not the file's
    if (!t->bytes().empty() && !seen.insert(t->bytes().data()).second) continue;
    const int64_t bytes = byte_count(t->dtype, t->count());
    c.parameters += t->count();
    c.bytes += bytes;
    c.type_bytes[std::string(onnx_name(t->dtype))] += bytes;
  }
  return c;
}

std::map<std::string, std::pair<size_t, size_t>> changed_ops(const Cost& a, const Cost& b) {
  std::map<std::string, std::pair<size_t, size_t>> counts;
  for (const auto& [op, n] : a.ops) counts[op].first = n;
  for (const auto& [op, n] : b.ops) counts[op].second = n;
  std::erase_if(counts, [](const auto& c) { return c.second.first == c.second.second; });
  return counts;
}

}  // namespace lathe::diff
