// Names to slots, and the order of nodes.
#include <algorithm>
#include <functional>
#include <queue>
#include <unordered_map>

#include "ir/base/error.h"
#include "ir/onnx/graph_scan.h"
#include "ir/onnx/place.h"

namespace lathe {
namespace {

constexpr int64_t kBefore = -1;  // inputs and initializers come before all nodes

// A definition; its index is the slot.
struct Definition {
  std::string_view name;
  uint32_t depth;   // of its graph
  int64_t node;     // index of the defining node
  uint32_t hidden;  // the definition of the same name in an outer graph, or kNoSlot
};

struct Edge {
  uint32_t node, needs;
};

// The state of one graph on the path from the root to the place being resolved.
struct Level {
  RawGraph* graph;
  int64_t node = kBefore;      // the node being resolved (at outer levels: the owner of the next level)
  std::vector<Edge> captured;  // what a node's subgraphs need of this graph's nodes
  bool unsorted = false;
};

class Resolver {
 public:
  Resolver(std::string& trace, const std::function<void(const std::string&)>& warn)
      : trace_(trace), warn_(warn) {}

  void graph(RawGraph& g) {
    PlaceScope place(trace_, path_.empty() ? "graph" : "subgraph", g.name);
    const auto depth = static_cast<uint32_t>(path_.size());
    const auto first = static_cast<uint32_t>(definitions_.size());
    path_.push_back({&g, kBefore, {}, false});
    define_all(g, depth);
    const auto last = static_cast<uint32_t>(definitions_.size());

    for (size_t i = 0; i < g.nodes.size(); ++i) {
      const RawNode& n = g.nodes[i];
      PlaceScope node_place(trace_, "node", n.name, n.type);
      path_.back().node = static_cast<int64_t>(i);
      for (uint32_t k = 0; k < n.inputs; ++k) {
        const std::string_view name = g.names[n.names + k];
        if (!name.empty()) g.slots[n.names + k] = use(name, "input");
      }
      for (uint32_t c = 0; c < n.child_count; ++c) graph(g.children[n.children + c]);
    }
    path_.back().node = static_cast<int64_t>(g.nodes.size());
    for (RawItem& out : g.outputs) {
      if (out.name.empty()) fail("output without a name");
      out.slot = use(out.name, "output");
    }
    for (auto* list : {&g.value_info, &g.annotations})
      for (RawItem& item : *list) {
        const auto it = visible_.find(item.name);
        if (it != visible_.end() && definitions_[it->second].depth == depth) item.slot = it->second;
      }

    Level level = std::move(path_.back());
    path_.pop_back();
    if (level.unsorted) sort(g, level, first);
    for (uint32_t i = last; i-- > first;) {
      if (definitions_[i].hidden == kNoSlot) {
        visible_.erase(definitions_[i].name);
      } else {
        visible_[definitions_[i].name] = definitions_[i].hidden;
      }
    }
  }

  uint32_t slots() const { return static_cast<uint32_t>(definitions_.size()); }

 private:
  void define_all(RawGraph& g, uint32_t depth) {
    for (RawItem& in : g.inputs) in.slot = define(in.name, depth, kBefore, "input");
    for (RawItem& init : g.initializers) {
      // An initializer may give an input its default, once.
      const auto it = visible_.find(init.name);
      if (it != visible_.end() && definitions_[it->second].depth == depth && is_input(g, it->second) &&
          !std::exchange(defaulted_[it->second], true)) {
        init.slot = it->second;
      } else {
        init.slot = define(init.name, depth, kBefore, "initializer");
      }
    }
    for (RawItem& init : g.sparse_initializers)
      init.slot = define(init.name, depth, kBefore, "sparse initializer");
    g.slots.assign(g.names.size(), kNoSlot);
    for (size_t i = 0; i < g.nodes.size(); ++i) {
      const RawNode& n = g.nodes[i];
      for (uint32_t k = 0; k < n.outputs; ++k) {
        const size_t at = n.names + n.inputs + k;
        if (g.names[at].empty()) continue;
        PlaceScope place(trace_, "node", n.name, n.type);
        g.slots[at] = define(g.names[at], depth, static_cast<int64_t>(i), "output");
      }
    }
  }

  static bool is_input(const RawGraph& g, uint32_t slot) {
    // Slots of inputs are consecutive and come first.
    return !g.inputs.empty() && slot >= g.inputs.front().slot && slot <= g.inputs.back().slot;
  }

  uint32_t define(std::string_view name, uint32_t depth, int64_t node, const char* what) {
    if (name.empty()) fail("{} without a name", what);
    const auto slot = static_cast<uint32_t>(definitions_.size());
    const auto [it, fresh] = visible_.try_emplace(name, slot);
    uint32_t hidden = kNoSlot;
    if (!fresh) {
      const Definition& other = definitions_[it->second];
      if (other.depth == depth) fail("{} {} is defined twice", what, quote(name));
      if (other.node < path_[other.depth].node && warn_)
        warn_(fmt::format("{} {} of a subgraph hides a value of an outer graph", what, quote(name)));
      hidden = std::exchange(it->second, slot);
    }
    definitions_.push_back({name, depth, node, hidden});
    return slot;
  }

  uint32_t use(std::string_view name, const char* what) {
    const auto it = visible_.find(name);
    if (it == visible_.end()) fail("{} {} is defined nowhere", what, quote(name));
    const Definition& d = definitions_[it->second];
    Level& level = path_[d.depth];
    if (d.node >= level.node) level.unsorted = true;
    if (d.depth + 1 < path_.size() && d.node != kBefore)
      level.captured.push_back({static_cast<uint32_t>(level.node), static_cast<uint32_t>(d.node)});
    return it->second;
  }

  // A stable topological order (Kahn, the earliest ready node first).
  void sort(RawGraph& g, const Level& level, uint32_t first) {
    const size_t n = g.nodes.size();
    std::vector<Edge> edges = level.captured;
    for (size_t i = 0; i < n; ++i)
      for (uint32_t k = 0; k < g.nodes[i].inputs; ++k) {
        const uint32_t slot = g.slots[g.nodes[i].names + k];
        if (slot == kNoSlot || slot < first || definitions_[slot].node == kBefore) continue;
        edges.push_back({static_cast<uint32_t>(i), static_cast<uint32_t>(definitions_[slot].node)});
      }
    std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) { return a.needs < b.needs; });
    std::vector<uint32_t> waits(n), begin(n + 1);
    for (const Edge& e : edges) {
      ++waits[e.node];
      ++begin[e.needs + 1];
    }
    for (size_t i = 0; i < n; ++i) begin[i + 1] += begin[i];
    std::priority_queue<uint32_t, std::vector<uint32_t>, std::greater<>> ready;
    for (uint32_t i = 0; i < n; ++i)
      if (waits[i] == 0) ready.push(i);
    while (!ready.empty()) {
      const uint32_t i = ready.top();
      ready.pop();
      g.order.push_back(i);
      for (uint32_t k = begin[i]; k < begin[i + 1]; ++k)
        if (--waits[edges[k].node] == 0) ready.push(edges[k].node);
    }
    if (g.order.size() < n) fail_cycle(g, edges, waits);
    if (warn_) warn_(fmt::format("the nodes of graph {} are out of order; sorted", quote(g.name)));
  }

  // Every waiting node waits for a waiting one: going back from any of them runs into a cycle.
  static void fail_cycle(const RawGraph& g, const std::vector<Edge>& edges,
                         const std::vector<uint32_t>& waits) {
    std::vector<uint32_t> back(g.nodes.size(), kNoSlot);
    for (const Edge& e : edges)
      if (waits[e.needs] > 0) back[e.node] = e.needs;
    uint32_t at = 0;
    while (waits[at] == 0) ++at;
    std::vector<bool> seen(g.nodes.size());
    for (; !seen[at]; at = back[at]) seen[at] = true;
    const RawNode& n = g.nodes[at];
    fail("the graph has a cycle through node {} ({})", quote(n.name), quote(n.type));
  }

  std::string& trace_;
  const std::function<void(const std::string&)>& warn_;
  std::vector<Level> path_;
  std::vector<Definition> definitions_;
  std::unordered_map<std::string_view, uint32_t> visible_;
  std::unordered_map<uint32_t, bool> defaulted_;
};

}  // namespace

uint32_t resolve(RawGraph& graph, std::string& trace, const std::function<void(const std::string&)>& warn) {
  Resolver resolver(trace, warn);
  resolver.graph(graph);
  return resolver.slots();
}

}  // namespace lathe
