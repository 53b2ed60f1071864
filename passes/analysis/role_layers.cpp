#include "passes/analysis/role_layers.h"

#include <algorithm>
#include <unordered_map>

#include "ir/base/hash.h"
#include "passes/analysis/isomorphic.h"
#include "passes/analysis/roles_match.h"
#include "passes/core/addition.h"

namespace lathe::roles {
namespace {

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
        if ((is_addition(m[use.node]) || m[use.node].type.starts_with("Skip")) &&
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
    for (NodeId n = m[m.main()].first; n; n = m[n].next) place_.emplace(n, place_.size());
    std::unordered_map<uint64_t, std::vector<size_t>> classes;  // by hash: a unit of each structure
    for (size_t i = 0; i < r.units.size(); ++i) {
      const Unit& u = r.units[i];
      auto& same = classes[hash_combine(structure_hash(m, u.nodes), static_cast<uint64_t>(u.role))];
      size_t key = i;
      for (const size_t rep : same)
        if (isomorphic(m, r.units[rep].nodes, u.nodes)) key = std::min(key, rep);
      if (key == i && same.size() < kMaxClasses) same.push_back(i);
      keys_.push_back(key);
      opens_.push_back(opens_layer(m, u));
    }
  }

  void run() {
    std::vector<std::pair<size_t, size_t>> parts{{0, keys_.size()}};
    std::vector<Run> runs;
    while (!parts.empty() && runs.size() < kMaxRuns) {
      const auto [from, to] = parts.back();
      parts.pop_back();
      const Run best = confirmed(longest(from, to));
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
  static constexpr size_t kMaxPeriod = 48, kMaxRuns = 64, kMaxClasses = 8;

  // Units of a kind in a row may still be wired to one another in different ways: of the run, the first
  // layers that are isomorphic as wholes.
  Run confirmed(Run run) const {
    for (; run.count >= 2; run.start += run.period, --run.count) {
      const std::vector<NodeId> first = layer_nodes(run, 0);
      size_t same = 1;
      while (same < run.count && isomorphic(m_, first, layer_nodes(run, same))) ++same;
      if (same < 2) continue;
      run.count = same;
      return run;
    }
    return run;
  }

  std::vector<NodeId> layer_nodes(const Run& run, size_t layer) const {
    std::vector<NodeId> nodes;
    for (size_t i = 0; i < run.period; ++i) {
      const auto& of = r_.units[run.start + layer * run.period + i].nodes;
      nodes.insert(nodes.end(), of.begin(), of.end());
    }
    std::sort(nodes.begin(), nodes.end(), [&](NodeId a, NodeId b) { return place_.at(a) < place_.at(b); });
    return nodes;
  }

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

  // Sums that close a residual belong to the layer of the unit that they close; sums of sums, to the later
  // one's.
  void residuals() {
    for (NodeId n = m_[m_.main()].first; n; n = m_[n].next) {
      NodeRole& role = r_.nodes[n.v];
      if (role.unit >= 0 || role.layer >= 0 || !is_addition(m_[n])) continue;
      int32_t of_units = -1, of_others = -1;
      bool closes = false;
      for (const ValueId v : m_[n].in) {
        const NodeId from = origin(v);
        if (!from) continue;
        const NodeRole& maker = r_.nodes[from.v];
        closes = closes || maker.unit >= 0;
        int32_t& layer = maker.unit >= 0 ? of_units : of_others;
        layer = std::max(layer, maker.layer);
      }
      role.layer = closes ? of_units : of_others;
    }
  }

  // The node that makes v, seen through reshapes and the like.
  NodeId origin(ValueId v) const {
    constexpr int kSteps = 8;
    for (int i = 0; i < kSteps && v && m_[v].def && m_.constant(v) == nullptr; ++i) {
      const NodeId n = m_[v].def;
      if (m_.is_hidden(n)) return {};
      if (r_.nodes[n.v].unit >= 0 || r_.nodes[n.v].layer >= 0 || !is_layout(m_[n])) return n;
      v = m_[n].input(0);
    }
    return {};
  }

  const Model& m_;
  Roles& r_;
  std::vector<size_t> keys_;  // the first unit of the same structure
  std::unordered_map<NodeId, size_t> place_;
  std::vector<bool> opens_;
};

}  // namespace

void number_layers(const Model& m, Roles& r) { Numberer(m, r).run(); }

}  // namespace lathe::roles
