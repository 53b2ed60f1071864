// Structural colors: equal for nodes that compute the same from the inputs on, or feed the outputs in the
// same way, or have equal surroundings. Colors never depend on names, on ids or on the order of nodes, so
// they can be compared between models.
#pragma once
#include <cstdint>
#include <vector>

#include "passes/diff/scope.h"

namespace lathe::diff {

// How much of a node its color says.
enum class Detail : uint8_t {
  ops,      // op and the types of its constants
  attrs,    // and attributes, and the values of small constants
  weights,  // and a sample of the bytes of large constants
};

// Colors of constants and graphs of one model, computed once.
class Palette {
 public:
  explicit Palette(const Model& m);
  const Model& model() const { return m_; }
  uint64_t constant(ValueId v, Detail detail);
  uint64_t op(NodeId n) const;  // domain, type, overload
  uint64_t local(const Scope& s, uint32_t i, Detail detail);
  uint64_t body(GraphId g) const { return bodies_[g.v]; }  // of subgraphs and functions

 private:
  uint64_t body_color(GraphId g);
  const Model& m_;
  std::vector<uint64_t> small_, sampled_;  // by ValueId::v; 0 = not yet
  std::vector<uint64_t> bodies_;           // by GraphId::v
};

// Colors of what surrounds a graph, and of its nodes that are aligned already (0: none).
struct Anchors {
  std::vector<uint64_t> inputs, outputs;        // by position
  const std::vector<ValueId>* outer = nullptr;  // partners of values around the graph, by ValueId::v
  bool is_a = true;                             // else `outer` holds a's values by b's
};

std::vector<uint64_t> local_colors(const Scope& s, Palette& p, Detail detail);
// From the graph's inputs: equal for nodes that compute equal values.
std::vector<uint64_t> forward_colors(const Scope& s, Palette& p, Detail detail,
                                     const std::vector<uint64_t>& local, const Anchors& anchors);
// From the graph's outputs: equal for nodes whose results take equal ways to them.
std::vector<uint64_t> backward_colors(const Scope& s, const std::vector<uint64_t>& local,
                                      const Anchors& anchors);
// Of everything within `radius` edges; `fixed` (0: none) replaces the color of nodes that are aligned.
std::vector<uint64_t> ball_colors(const Scope& s, Palette& p, Detail detail,
                                  const std::vector<uint64_t>& local, const std::vector<uint64_t>& fixed,
                                  const Anchors& anchors, int radius);

}  // namespace lathe::diff
