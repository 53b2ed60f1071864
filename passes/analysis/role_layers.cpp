#include "passes/analysis/role_layers.h"

#include <algorithm>
#include <unordered_map>

#include "ir/base/hash.h"
#include "passes/analysis/roles_match.h"

namespace lathe::roles {
namespace {

// Of the subgraph: independent of the order of nodes, of names, and of what is outside.
uint64_t structure(const Model& m, const Unit& u) {
  std::unordered_map<NodeId, uint64_t> hash;
  std::vector<uint64_t> all;
  for (const NodeId n : u.nodes) {  // in execution order: producers first
    uint64_t h = hash_bytes(m[n].type.data(), m[n].type.size());
    for (size_t slot = 0; slot < m[n].in.size(); ++slot) {
      const ValueId v = m[n].in[slot];
      uint64_t from = 1;
      if (v && is_weight(m, v)) {
        from = 2;
        if (const auto& shape = m[v].type.shape)
          for (const Dim d : *shape)
            from = hash_combine(from, static_cast<uint64_t>(d.constant().value_or(-1)));
      } else if (v && m[v].def) {
        if (const auto it = hash.find(m[v].def); it != hash.end()) from = hash_combine(it->second, m[v].slot);
      }
      h = hash_combine(h, from);
    }
    hash[n] = h;
    all.push_back(h);
  }
  std::sort(all.begin(), all.end());
  uint64_t h = static_cast<uint64_t>(u.role);
  for (const uint64_t x : all) h = hash_combine(h, x);
  return h;
}

// A norm whose operand goes on beside it (x + f(norm(x))) opens a layer; one at the end of a residual does
// not.
bool opens_layer(const Model& m, const Unit& u) {
  if (u.role != Role::norm) return false;
  for (const NodeId n : u.nodes)
    for (const ValueId v : m[n].in) {
      if (!v || is_weight(m, v)) continue;
      const bool outside = !m[v].def || std::find(u.nodes.begin(), u.nodes.end(), m[v].def) == u.nodes.end();
      if (!outside) continue;
      for (const Use& use : m[v].uses)
        if ((m[use.node].is("Add") || m[use.node].type.starts_with("Skip")) &&
            std::find(u.nodes.begin(), u.nodes.end(), use.node) == u.nodes.end())
          return true;
    }
  return false;
}

struct Run {
  size_t start = 0, period = 0, count = 0;
  size_t covered() const { return period * count; }
};

class Numberer {
 public:
  Numberer(const Model& m, Roles& r) : m_(m), r_(r) {
    for (const Unit& u : r.units) {
      keys_.push_back(structure(m, u));
      opens_.push_back(opens_layer(m, u));
    }
  }

  void run() {
    std::vector<std::pair<size_t, size_t>> parts{{0, keys_.size()}};
    std::vector<Run> runs;
    while (!parts.empty() && runs.size() < kMaxRuns) {
      const auto [from, to] = parts.back();
      parts.pop_back();
      const Run best = longest(from, to);
      if (best.count < 2) continue;
      runs.push_back(best);
      parts.emplace_back(from, best.start);
      parts.emplace_back(best.start + best.covered(), to);
    }
    std::sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) { return a.start < b.start; });
    for (const Run& run : runs) number(run);
    residuals();
    for (RepeatedBlock& block : r_.blocks)
      block.nodes = static_cast<size_t>(std::count_if(
          r_.nodes.begin(), r_.nodes.end(), [&](const NodeRole& n) { return n.layer == block.first_layer; }));
  }

 private:
  // Bounds on work, far beyond real networks.
  static constexpr size_t kMaxPeriod = 48, kMaxRuns = 64;

  // The stretch of [from, to) that repeats and covers most; of equal ones, the one with the shortest period.
  Run longest(size_t from, size_t to) const {
    Run best;
    for (size_t period = 1; period <= kMaxPeriod && period * 2 <= to - from; ++period) {
      size_t same = 0;  // length of the run of keys_[i] == keys_[i + period] that ends here
      for (size_t i = from; i + period < to; ++i) {
        same = keys_[i] == keys_[i + period] ? same + 1 : 0;
        const bool goes_on = i + 1 + period < to && keys_[i + 1] == keys_[i + 1 + period];
        const size_t length = same + period, count = length / period;
        if (goes_on || count < 2 || !worth(i + 1 - same, period)) continue;
        Run run{i + 1 - same, period, count};
        run.start = aligned(run, i + 1 + period);
        if (run.covered() > best.covered()) best = run;
      }
    }
    return best;
  }

  // One attention after another without anything between is no layer; a layer holds something with weights.
  bool worth(size_t start, size_t period) const {
    for (size_t i = start; i < start + period; ++i) {
      const Role role = r_.units[i].role;
      if (role == Role::attention || role == Role::feed_forward || role == Role::convolution) return true;
    }
    return false;
  }

  // Of the places where the run may start, one before which a layer ends.
  size_t aligned(const Run& run, size_t end) const {
    const size_t slack = end - run.start - run.covered();
    for (size_t s = run.start; s <= run.start + slack && s < run.start + run.period; ++s) {
      const bool norm = r_.units[s].role == Role::norm;
      if (norm ? opens_[s] : r_.units[s].role == Role::attention || r_.units[s].role == Role::convolution) {
        if (s > run.start && !norm && opens_[s - 1] && r_.units[s - 1].role == Role::norm) continue;
        return s;
      }
    }
    return run.start;
  }

  void number(const Run& run) {
    RepeatedBlock block;
    block.first_layer = r_.layers;
    block.count = static_cast<int32_t>(run.count);
    for (size_t i = 0; i < run.period; ++i) block.units.push_back(r_.units[run.start + i].role);
    for (size_t i = 0; i < run.covered(); ++i) {
      Unit& u = r_.units[run.start + i];
      u.layer = r_.layers + static_cast<int32_t>(i / run.period);
      for (const NodeId n : u.nodes) r_.nodes[n.v].layer = u.layer;
    }
    r_.layers += block.count;
    r_.blocks.push_back(std::move(block));
  }

  // Sums that close a residual belong to the layer that they close.
  void residuals() {
    for (NodeId n = m_[m_.main()].first; n; n = m_[n].next) {
      NodeRole& role = r_.nodes[n.v];
      if (role.unit >= 0 || role.layer >= 0 || !m_[n].is("Add")) continue;
      for (const ValueId v : m_[n].in)
        if (v && m_[v].def && m_.constant(v) == nullptr && !m_.is_hidden(m_[v].def))
          role.layer = std::max(role.layer, r_.nodes[m_[v].def.v].layer);
    }
  }

  const Model& m_;
  Roles& r_;
  std::vector<uint64_t> keys_;
  std::vector<bool> opens_;
};

}  // namespace

void number_layers(const Model& m, Roles& r) { Numberer(m, r).run(); }

}  // namespace lathe::roles
