// Constant folding by the executor. What counts is the cut: only values that a non-constant node reads are
// stored, whatever was computed on the way. A cut value is stored if it is small, or no larger than the
// constants that go away with it, or within the growth that was allowed; otherwise the cut moves towards the
// inputs, so that Expand(f(c)) keeps its Expand and folds f(c).
//
// A fold is not run a second time as a patch: the new side is the old side's own result.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "ir/core/walk.h"
#include "passes/all_passes.h"
#include "passes/core/facts.h"
#include "passes/core/scratch.h"
#include "passes/fold/cone.h"

namespace lathe {
namespace {

struct Freed {
  int64_t constants = 0;  // bytes of constants that only the dying nodes read
  int64_t nodes = 0;      // bytes that the nodes take in a file, about
};

// What a node costs in a file: its strings, and the tags and lengths around them.
int64_t file_bytes(const Model& m, NodeId n) {
  constexpr int64_t kFrame = 8, kField = 4;
  int64_t bytes = kFrame + static_cast<int64_t>(m[n].name.size() + m[n].type.size());
  for (const auto* list : {&m[n].in, &m[n].out})
    for (const ValueId v : *list) bytes += kField + (v ? static_cast<int64_t>(m[v].name.size()) : 0);
  return bytes;
}

class Folder {
 public:
  Folder(PassContext& ctx, GraphId g, const FoldLimits& limits, int64_t small, int64_t& growth)
      : ctx_(ctx), m_(ctx.model), cone_(ctx.model, g, limits), small_(small), growth_(growth) {}

  void run() {
    const std::vector<NodeId> nodes = cone_.nodes();
    for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) decide(*it);
    for (auto it = nodes.rbegin(); it != nodes.rend(); ++it)
      if (!apply(*it)) return;
  }

 private:
  // Does something that stays read the value?
  bool is_cut(ValueId v) const {
    return std::any_of(m_[v].uses.begin(), m_[v].uses.end(), [&](const Use& u) {
      const NodeId user = m_[u.node].parent == m_[v].graph ? u.node : NodeId{};
      return !cone_.contains(user) || kept_.contains(user);
    });
  }

  void decide(NodeId n) {
    std::vector<ValueId> cut;
    for (const ValueId v : m_[n].out)
      if (v && is_cut(v)) cut.push_back(v);
    for (const ValueId v : cut) {
      std::optional<Tensor> t = affordable(v) ? cone_.compute(v) : std::nullopt;
      if (!t || !affordable(n, v, stored_bytes(*t))) {
        kept_.insert(n);
        for (const ValueId other : cut) result_.erase(other);
        return;
      }
      result_.insert_or_assign(v, std::move(*t));
    }
  }

  // By inferred size, before it is computed.
  bool affordable(ValueId v) const {
    const auto bytes = static_bytes(m_[v].type);
    if (!bytes) return true;
    return affordable(m_[v].def, v, *bytes);
  }

  bool affordable(NodeId n, ValueId v, int64_t bytes) const {
    if (bytes <= small_) return true;
    const Freed freed = freed_with(n, v);
    if (bytes <= freed.constants + freed.nodes) return true;
    if (growth_ + bytes - freed.constants <= ctx_.settings.max_growth) return true;
    if (ctx_.settings.explain_missed)
      ctx_.missed("fold", n,
                  fmt::format("'{}' would take {} bytes and free {}", m_[v].name, bytes,
                              freed.constants + freed.nodes));
    return false;
  }

  // Nodes that nothing would read if v were a constant, and the constants that only they read.
  Freed freed_with(NodeId root, ValueId v) const {
    constexpr size_t kMaxNodes = 256;  // the walk is repeated where the cut moves: keep it short
    Freed freed;
    for (const ValueId o : m_[root].out)
      if (o && o != v && !m_[o].uses.empty()) return freed;
    std::unordered_map<ValueId, size_t> read;
    std::vector<NodeId> dying{root};
    for (size_t i = 0; i < dying.size() && i < kMaxNodes; ++i) {
      const NodeId n = dying[i];
      freed.nodes += file_bytes(m_, n);
      for (const ValueId in : m_[n].in) {
        if (!in || ++read[in] < m_[in].uses.size()) continue;
        if (const Tensor* t = m_.constant(in)) {
          freed.constants += stored_bytes(*t);
        } else if (const NodeId def = m_[in].def; cone_.contains(def)) {
          const bool dies = std::all_of(m_[def].out.begin(), m_[def].out.end(), [&](ValueId o) {
            return !o || m_[o].uses.empty() || (read.contains(o) && read.at(o) >= m_[o].uses.size());
          });
          if (dies) dying.push_back(def);
        }
      }
    }
    return freed;
  }

  // False when fuel is out. Results become initializers, nodes that nothing reads any more go.
  bool apply(NodeId n) {
    if (m_[n].erased || kept_.contains(n)) return true;
    const bool any =
        std::any_of(m_[n].out.begin(), m_[n].out.end(), [&](ValueId v) { return v && result_.contains(v); });
    if (!any) return true;
    if (!ctx_.spend("fold", node_label(m_, n), fmt::format("{} of constants computed", m_[n].type)))
      return false;
    const Freed freed = freed_with(n, m_[n].output(0));
    std::vector<std::pair<ValueId, std::string>> named;
    const std::vector<ValueId> out = m_[n].out;
    for (const ValueId v : out) {
      if (!v || !result_.contains(v)) continue;
      Tensor& t = result_.at(v);
      const auto bytes = stored_bytes(t);
      if (bytes > small_) growth_ += std::max<int64_t>(0, bytes - freed.constants);
      t.name.clear();
      const ValueId made = m_.add_initializer(m_[n].parent, std::move(t), m_[v].name);
      if (const auto known = ctx_.values.find(v); known != ctx_.values.end())
        ctx_.values.emplace(made, Shape(known->second));
      m_.replace_uses(v, made);
    }
    erase_dead(m_, {n});
    return true;
  }

  PassContext& ctx_;
  Model& m_;
  ConstantCone cone_;
  int64_t small_;
  int64_t& growth_;
  std::unordered_set<NodeId> kept_;
  std::map<ValueId, Tensor> result_;
};

}  // namespace

PassDef fold() {
  return {
      .name = "fold",
      .group = "fold",
      .summary = "Compute what depends on constants alone, within a growth limit",
      .options = {{"max-bytes", "a result up to this size may be larger than what it replaces", "1024"},
                  {"quantize", "also fold QuantizeLinear and DequantizeLinear", "false"},
                  {"memory", "bytes that values on the way may take; 0: 80 MB and twice the weights", "0"}},
      .run = [](PassContext& ctx, const PassOptions& o) {
        FoldLimits limits;
        limits.quantize = o.flag("quantize");
        limits.memory = o.integer("memory") > 0 ? o.integer("memory") : scratch_bytes(ctx.model);
        limits.value_bytes = std::max(o.integer("max-bytes"), std::min(limits.value_bytes, limits.memory));
        int64_t growth = 0;
        // Outer graphs first: what is folded there is a constant inside. A body that went with its owner
        // is empty.
        for (const GraphId g : nested_graphs(ctx.model, ctx.model.main()))
          if (!ctx.out_of_fuel()) Folder(ctx, g, limits, o.integer("max-bytes"), growth).run();
      }};
}

}  // namespace lathe
