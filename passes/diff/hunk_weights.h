// Weights of nodes that were rewritten: which matrix of the new side holds the values of which of the old
// side, found by a sample of their values, whatever the layout (transposed, packed with others) and type.
#pragma once
#include <unordered_set>

#include "passes/diff/weights.h"

namespace lathe::diff {

class HunkWeights {
 public:
  using Set = std::unordered_set<ValueId>;
  HunkWeights(const Model& a, const Model& b, const Changes& changes, const WeightOptions& options)
      : a_(a), b_(b), changes_(changes), options_(options) {}
  // taken: constants that are accounted for; those found are added.
  void run(Weights& out, Set& taken_a, Set& taken_b);

 private:
  struct Side {
    std::vector<Weight> weights;
    Set seen;
  };
  struct Fit {
    size_t old_side = 0, new_side = 0;
    enum class Layout : uint8_t { straight, transposed, columns } layout = Layout::straight;
    int64_t first = 0;
    double cosine = -2;
  };
  static void add(const Model& m, ValueId v, const Set& taken, Side& side);
  static void add_nodes(const Model& m, const std::vector<NodeId>& nodes, const Set& taken, Side& side);
  void pair(Side& old_side, Side& new_side);
  Fit best_fit(const Weight& w, size_t index, const std::vector<Weight>& all,
               const std::vector<bool>& used) const;
  void report(const Weight& x, const Weight& y, const Fit& fit);

  const Model &a_, &b_;
  const Changes& changes_;
  const WeightOptions& options_;
  Weights* out_ = nullptr;
  Set *taken_a_ = nullptr, *taken_b_ = nullptr;
};

}  // namespace lathe::diff
