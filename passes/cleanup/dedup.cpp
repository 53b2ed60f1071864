// Constants with the same type, shape and bits become one, whatever their size. Candidates are found by a
// hash of a sample, confirmed by comparing bytes: a model without twins is not read through. Constants that a
// caller may override, that are outputs, or that carry a quantization annotation keep a tensor of their own.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "ir/base/hash.h"
#include "ir/core/walk.h"
#include "passes/all_passes.h"

namespace lathe {
namespace {

uint64_t sample_hash(const Tensor& t) {
  constexpr size_t kPiece = 1024, kWhole = 4 * kPiece;
  uint64_t h = static_cast<uint64_t>(t.dtype);
  for (const int64_t d : t.dims) h = hash_combine(h, static_cast<uint64_t>(d));
  if (t.dtype == DType::String || t.byte_size() <= kWhole) return hash_combine(h, content_hash(t));
  for (size_t i = 0; i < 4; ++i) {
    const size_t at = (t.byte_size() - kPiece) / 3 * i;
    h = hash_bytes(t.bytes().data() + at, kPiece, h);
  }
  return h;
}

// The group of one sample hash. Should samples agree where contents do not, full hashes keep it from being
// compared pair by pair.
struct Group {
  std::vector<ValueId> members;  // pairwise different
  std::vector<uint64_t> hashes;  // of the members, once there are two
};

class Merger {
 public:
  explicit Merger(PassContext& ctx) : ctx_(ctx), m_(ctx.model) {
    for (const GraphId g : nested_graphs(m_, m_.main()))
      for (const QuantAnnotation& q : m_[g].quant_annotations) annotated_.insert(q.value);
  }

  // Outer graphs first: what a subgraph finds there is in its scope.
  void run() {
    for (const GraphId g : nested_graphs(m_, m_.main())) {
      const std::vector<ValueId> list = m_[g].initializers;
      for (const ValueId v : list)
        if (!visit(v)) return;
    }
  }

 private:
  bool visit(ValueId v) {
    if (m_[v].def || m_.constant(v) == nullptr || m_.is_graph_output(v) || annotated_.contains(v))
      return true;
    const TensorPtr t = m_[v].constant;
    Group& group = groups_[sample_hash(*t)];
    const ValueId twin = find_or_add(group, v);
    if (!twin) return true;
    if (!ctx_.spend("dedup", m_[v].name,
                    fmt::format("{} bytes, the same as '{}'", t->byte_size(), m_[twin].name)))
      return false;
    m_.replace_uses(v, twin);
    m_.erase_initializer(v);
    return true;
  }

  // A member with the content of v whose scope reaches v; otherwise v joins the group.
  ValueId find_or_add(Group& group, ValueId v) {
    const Tensor& t = *m_[v].constant;
    const bool hashed = t.byte_size() > kHashed && !group.members.empty();
    const uint64_t hash = hashed ? content_hash(t) : 0;
    if (hashed && group.hashes.empty()) group.hashes = {content_hash(*m_[group.members[0]].constant)};
    for (size_t i = 0; i < group.members.size(); ++i) {
      if (hashed && group.hashes[i] != hash) continue;
      const ValueId known = group.members[i];
      if (m_.encloses(m_[known].graph, m_[v].graph) && same_content(*m_[known].constant, t)) return known;
    }
    group.members.push_back(v);
    if (hashed) group.hashes.push_back(hash);
    return {};
  }

  static constexpr size_t kHashed = 1 << 16;
  PassContext& ctx_;
  Model& m_;
  std::unordered_map<uint64_t, Group> groups_;
  std::unordered_set<ValueId> annotated_;
};

}  // namespace

PassDef dedup() {
  return {.name = "dedup",
          .group = "cleanup",
          .summary = "Store equal constants once, by content",
          .run = [](PassContext& ctx, const PassOptions&) { Merger(ctx).run(); }};
}

}  // namespace lathe
