// Seeded edits of a model, and a copy of it under other names and in another order: known answers for what
// compares two models.
#pragma once
#include <algorithm>
#include <string>
#include <unordered_set>
#include <vector>

#include "ir/base/rng.h"
#include "ir/core/model.h"
#include "ir/core/walk.h"
#include "passes/diff/scope.h"

namespace lathe::test {

struct EditCounts {
  size_t attributes = 0, inserted = 0, removed = 0, rewired = 0, weights = 0, opsets = 0;
  bool operator==(const EditCounts&) const = default;
  size_t total() const { return attributes + inserted + removed + rewired + weights + opsets; }
};

// Names of nodes and of all values but the ports of main, at random; nodes of every graph in a random order
// that is valid.
inline void disguise(Model& m, uint64_t seed) {
  Rng rng(seed, "disguise");
  for (uint32_t i = 0; i < m.node_capacity(); ++i)
    if (!m[NodeId{i}].erased && !m.is_hidden(NodeId{i}))
      m.set_name(NodeId{i}, "n" + std::to_string(rng.next() % 1000000007));
  for (uint32_t i = 0; i < m.value_capacity(); ++i) {
    const ValueId v{i};
    if (m[v].erased || m[v].name.empty() || m.is_graph_input(v)) continue;
    m.set_name(v, "v" + std::to_string(i) + "_" + std::to_string(rng.next() % 997));
  }
  for (const GraphId g : all_graphs(m)) {
    const std::vector<NodeId> nodes = m.nodes(g);
    std::unordered_set<NodeId> waiting(nodes.begin(), nodes.end());
    std::vector<NodeId> left = nodes;
    const auto ready = [&](NodeId n) {
      const auto free = [&](ValueId v) { return !v || !waiting.contains(m[v].def); };
      if (!std::all_of(m[n].in.begin(), m[n].in.end(), free)) return false;
      for (const GraphId s : m.subgraphs(n))
        for (const ValueId v : captures(m, s))
          if (!free(v)) return false;
      return true;
    };
    while (!left.empty()) {
      std::vector<NodeId> later;
      std::vector<NodeId> now;
      for (const NodeId n : left) (ready(n) ? now : later).push_back(n);
      for (size_t i = now.size(); i > 1; --i)
        std::swap(now[i - 1], now[static_cast<size_t>(rng.integer(0, static_cast<int64_t>(i) - 1))]);
      // Some wait for a later round, so that branches interleave.
      for (size_t i = 0; i < now.size(); ++i) {
        if (i > 0 && rng.uniform() < 0.3) {
          later.push_back(now[i]);
          continue;
        }
        m.place(now[i], g);
        waiting.erase(now[i]);
      }
      left = later;
    }
  }
}

class Editor {
 public:
  Editor(Model& m, uint64_t seed) : m_(m), rng_(seed, "edits") {
    for (const GraphId g : all_graphs(m))
      for (NodeId n = m[g].first; n; n = m[n].next)
        if (!diff::is_constant_node(m, n)) nodes_.push_back(n);
  }

  // Up to `count` edits far enough from one another to be told apart.
  EditCounts run(size_t count) {
    EditCounts done;
    for (size_t tries = 0; done.total() < count && tries < 50 * count && !nodes_.empty(); ++tries) {
      const NodeId n = nodes_[static_cast<size_t>(rng_.integer(0, static_cast<int64_t>(nodes_.size()) - 1))];
      if (m_[n].erased || near_.contains(n)) continue;
      switch (rng_.integer(0, 5)) {
        case 0:
          done.attributes += attribute(n);
          break;
        case 1:
          done.inserted += insert(n);
          break;
        case 2:
          done.removed += remove(n);
          break;
        case 3:
          done.rewired += rewire(n);
          break;
        case 4:
          done.weights += weight(n);
          break;
        default:
          done.opsets += done.opsets == 0 && opset();
          break;
      }
    }
    return done;
  }

 private:
  // Keeps later edits away from n and its neighbours.
  void keep_off(NodeId n) {
    for (int depth = 0; depth < 2; ++depth) {
      std::unordered_set<NodeId> around = depth == 0 ? std::unordered_set<NodeId>{n} : near_;
      for (const NodeId x : around) {
        near_.insert(x);
        for (const ValueId v : m_[x].in)
          if (v && m_[v].def) near_.insert(m_[v].def);
        for (const ValueId v : m_[x].out)
          if (v)
            for (const Use& u : m_[v].uses) near_.insert(u.node);
      }
      if (depth == 0) near_.insert(n);
    }
  }

  bool attribute(NodeId n) {
    for (const Attr& a : m_[n].attrs.items()) {
      if (a.name.starts_with('$')) continue;
      if (const auto* i = std::get_if<int64_t>(&a.value)) {
        m_.set_attr(n, a.name, *i + 1);
      } else if (const auto* f = std::get_if<float>(&a.value)) {
        m_.set_attr(n, a.name, *f * 0.5f + 1);
      } else if (const auto* list = std::get_if<std::vector<int64_t>>(&a.value); list && !list->empty()) {
        auto changed = *list;
        changed.back() += 1;
        m_.set_attr(n, a.name, changed);
      } else {
        continue;
      }
      keep_off(n);
      return true;
    }
    return false;
  }

  // A value that some node of the same graph makes, read by n; its slot.
  int64_t data_input(NodeId n) {
    std::vector<int64_t> slots;
    for (size_t i = 0; i < m_[n].in.size(); ++i) {
      const ValueId v = m_[n].in[i];
      if (v && m_.constant(v) == nullptr && m_[v].graph == m_[n].parent && m_[v].def)
        slots.push_back(static_cast<int64_t>(i));
    }
    return slots.empty()
               ? -1
               : slots[static_cast<size_t>(rng_.integer(0, static_cast<int64_t>(slots.size()) - 1))];
  }

  bool insert(NodeId n) {
    const int64_t slot = data_input(n);
    if (slot < 0) return false;
    static constexpr const char* kOps[] = {"Neg", "Relu", "Identity", "Abs"};
    const ValueId v = m_[n].in[static_cast<size_t>(slot)];
    const NodeId made = m_.create("", kOps[rng_.integer(0, 3)], {v}, {}, 1, "new", {m_.unique_name("new")});
    m_.place(made, m_[n].parent, n);
    m_.set_input(n, static_cast<size_t>(slot), m_[made].out[0]);
    keep_off(n);
    keep_off(made);
    return true;
  }

  bool remove(NodeId n) {
    if (m_[n].out.size() != 1 || !m_[n].out[0] || m_[m_[n].out[0]].uses.empty() || !m_.subgraphs(n).empty())
      return false;
    const int64_t slot = data_input(n);
    if (slot < 0) return false;
    keep_off(n);
    m_.replace_uses(m_[n].out[0], m_[n].in[static_cast<size_t>(slot)]);
    m_.erase(n);
    return true;
  }

  // To the output of an earlier node of another op.
  bool rewire(NodeId n) {
    const int64_t slot = data_input(n);
    if (slot < 0) return false;
    const ValueId old = m_[n].in[static_cast<size_t>(slot)];
    if (m_.is_hidden(m_[old].def)) return false;
    std::vector<ValueId> earlier;
    for (NodeId p = m_[n].prev; p; p = m_[p].prev)
      if (!diff::is_constant_node(m_, p) && m_[p].type != m_[m_[old].def].type && !near_.contains(p) &&
          m_[p].out[0] && std::find(m_[n].in.begin(), m_[n].in.end(), m_[p].out[0]) == m_[n].in.end())
        earlier.push_back(m_[p].out[0]);
    if (earlier.empty()) return false;
    const ValueId other =
        earlier[static_cast<size_t>(rng_.integer(0, static_cast<int64_t>(earlier.size()) - 1))];
    keep_off(n);
    keep_off(m_[other].def);
    m_.set_input(n, static_cast<size_t>(slot), other);
    return true;
  }

  bool weight(NodeId n) {
    for (const ValueId v : m_[n].in) {
      const Tensor* t = v ? m_.constant(v) : nullptr;
      if (t == nullptr || !m_.is_initializer(v) || t->dtype != DType::F32 || t->count() < 2 ||
          t->bytes().empty() || !changed_.insert(v).second)
        continue;
      Tensor other = Tensor::uninitialized(t->dtype, t->dims);
      std::copy(t->bytes().begin(), t->bytes().end(), other.mutable_bytes().begin());
      const int64_t at = rng_.integer(0, t->count() - 1);
      store_double(t->dtype, other.mutable_bytes().data(), at, t->as_double(at) + 0.5);
      m_.set_constant(v, std::make_shared<const Tensor>(std::move(other)));
      return true;
    }
    return false;
  }

  bool opset() {
    for (OpsetImport& o : m_.info.opsets)
      if (o.domain.empty()) ++o.version;
    return true;
  }

  Model& m_;
  Rng rng_;
  std::vector<NodeId> nodes_;
  std::unordered_set<NodeId> near_;
  std::unordered_set<ValueId> changed_;
};

}  // namespace lathe::test
