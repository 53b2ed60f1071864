#include <algorithm>
#include <limits>
#include <optional>
#include <unordered_map>

#include "ir/core/walk.h"
#include "passes/core/facts.h"
#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {
namespace {

constexpr int64_t kLarge = int64_t{1} << 28;  // bytes
constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

// kMost: beyond any memory. 0: not known.
int64_t bytes_of(const Type& t) {
  if (const auto bytes = static_bytes(t)) return *bytes;
  return t.is_tensor() && t.shape && bit_width(t.dtype) > 0 && as_constants(*t.shape) ? kMost : 0;
}

void run(Context& c) {
  const Model& m = c.model();
  // Bytes of the constants that a value is computed from; absent where an input takes part. What only
  // constants make is made when the model is loaded, by every runtime that folds.
  std::unordered_map<ValueId, int64_t> source;
  const auto all = static_cast<int64_t>(c.file_bytes() + c.data_bytes());
  const auto known = [&](ValueId v) -> std::optional<int64_t> {
    if (!v) return 0;
    if (const Tensor* t = m.constant(v)) return static_cast<int64_t>(t->byte_size());
    if (const auto it = source.find(v); it != source.end()) return it->second;
    const auto it = c.shapes().values.find(v);  // sizes that only look computed
    if (it == c.shapes().values.end()) return std::nullopt;
    return static_cast<int64_t>(8 * it->second.size());
  };
  for_each_node(m, [&](NodeId n) {
    const Node& node = m[n];
    if (node.in.empty() && !node.type.starts_with("Random")) return;
    int64_t read = 0, largest = 0, made = 0;
    for (const ValueId v : node.in) {
      const auto bytes = known(v);
      if (!bytes) return;
      read = std::min(all, read + *bytes);  // of a constant that is read twice once
      if (v) largest = std::max(largest, bytes_of(m[v].type));
    }
    for (const ValueId v : node.out)
      if (v) {
        source[v] = read;
        made = std::max(made, bytes_of(m[v].type));
      }
    if (made < kLarge || made / 16 <= read || largest >= kLarge) return;  // the first of a chain is told
    c.at_node(n,
              fmt::format("{} makes {} of constants from {} bytes", node.type,
                          made == kMost ? "more than any memory" : fmt::format("{} MB", made >> 20), read));
  });
}

}  // namespace

LintDef size_bomb() {
  return {
      .id = "size-bomb",
      .group = "security",
      .severity = Severity::error,
      .summary = "a small file that becomes large in memory",
      .help =
          "ConstantOfShape, Expand, Tile, Pad, Concat upon Concat of constants whose result has 256 MB and "
          "more, 16 times what it is made from. Runtimes that fold constants allocate it when "
          "the model is loaded, some write it back to disk. lathe folds within a budget.",
      .fix = "do not load it where memory is not limited",
      .run = run};
}

}  // namespace lathe::lint
