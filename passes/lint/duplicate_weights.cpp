#include <algorithm>
#include <unordered_map>

#include "ir/base/hash.h"
#include "ir/core/walk.h"
#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {
namespace {

constexpr size_t kSmallest = 4096;  // bytes: below, sharing is not worth a word

// A few kilobytes tell most tensors apart without reading them.
uint64_t sample_hash(const Tensor& t) {
  constexpr size_t kPiece = 512;
  uint64_t h = hash_combine(static_cast<uint64_t>(t.dtype), t.byte_size());
  for (const int64_t d : t.dims) h = hash_combine(h, static_cast<uint64_t>(d));
  for (size_t i = 0; i < 4; ++i) {
    const size_t at = (t.byte_size() - kPiece) / 3 * i;
    h = hash_bytes(t.bytes().data() + at, kPiece, h);
  }
  return h;
}

void run(Context& c) {
  const Model& m = c.spelled();
  std::unordered_map<uint64_t, std::vector<ValueId>> groups;
  for (const GraphId g : all_graphs(m))
    for (const ValueId v : m[g].initializers) {
      const Tensor* t = m[v].constant.get();
      if (t == nullptr || t->dtype == DType::String || t->byte_size() < kSmallest) continue;
      std::vector<ValueId>& same = groups[sample_hash(*t)];
      // Equal samples and different contents: the full compare decides; a few representatives suffice.
      constexpr size_t kMost = 8;
      const auto twin = std::find_if(same.begin(), same.end(), [&](ValueId k) {
        const Tensor& other = *m[k].constant;
        return other.bytes().data() == t->bytes().data() || same_content(other, *t);
      });
      if (twin == same.end()) {
        if (same.size() < kMost) same.push_back(v);
        continue;
      }
      if (m[*twin].constant->bytes().data() == t->bytes().data()) continue;  // one range of external data
      c.at_constant(v, fmt::format("the same {} bytes as '{}'", t->byte_size(), m[*twin].name));
    }
}

}  // namespace

LintDef duplicate_weights() {
  return {.id = "duplicate-weights",
          .group = "weights",
          .summary = "weights stored twice",
          .help =
              "Initializers of 4 kB and more with the same type, shape and bits: exporters write tied "
              "embeddings and shared layers twice. The file and the memory of runtimes grow by them.",
          .fix = "onnx-opt --passes=dedup",
          .reads_weights = true,
          .run = run};
}

}  // namespace lathe::lint
