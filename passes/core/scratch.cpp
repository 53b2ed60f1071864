#include "passes/core/scratch.h"

#include "ir/core/walk.h"

namespace lathe {
namespace {

// A constant may be held once more in double, or in another layout: twice its bytes.
int64_t share(const Tensor* t) { return t == nullptr ? 0 : 2 * static_cast<int64_t>(t->byte_size()); }

}  // namespace

int64_t scratch_bytes(const Model& m) {
  int64_t bytes = kScratchBase;
  for (const GraphId g : all_graphs(m))
    for (const ValueId v : m[g].initializers) bytes += share(m[v].constant.get());
  for_each_node(m, [&](NodeId n) {
    if (m[n].is("Constant")) bytes += share(m.constant(m[n].output(0)));
  });
  return bytes;
}

int64_t scratch_bytes(const Model& m, std::span<const NodeId> nodes) {
  int64_t bytes = kScratchBase;
  for (const NodeId n : nodes)
    for (const ValueId v : m[n].in)
      if (v) bytes += share(m.constant(v));
  return bytes;
}

}  // namespace lathe
