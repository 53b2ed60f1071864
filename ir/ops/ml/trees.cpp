#include "ir/ops/ml/trees.h"

#include <algorithm>
#include <cmath>

#include "ir/base/parallel.h"

namespace lathe::ml {
namespace {

bool holds(const Forest& f, const Forest::Node& n, double x) {
  if (std::isnan(x)) return n.missing_is_true || n.mode == Branch::neq;
  switch (n.mode) {
    case Branch::leq:
      return x <= n.split;
    case Branch::lt:
      return x < n.split;
    case Branch::gte:
      return x >= n.split;
    case Branch::gt:
      return x > n.split;
    case Branch::eq:
      return x == n.split;
    case Branch::neq:
      return x != n.split;
    case Branch::member:
      return std::binary_search(f.members.begin() + static_cast<std::ptrdiff_t>(n.members_begin),
                                f.members.begin() + static_cast<std::ptrdiff_t>(n.members_end), x);
  }
  return false;
}

}  // namespace

void Forest::check(int64_t width, int64_t targets) const {
  const auto child = [&](int64_t i) {
    const bool there =
        i >= 0 ? i < static_cast<int64_t>(nodes.size()) : -1 - i < static_cast<int64_t>(leaves.size());
    if (!there) fail("a tree has no node or leaf {}", i >= 0 ? i : -1 - i);
  };
  for (const Node& n : nodes) {
    child(n.if_true);
    child(n.if_false);
    if (n.feature < 0 || n.feature >= width) fail("a tree asks for feature {} of {}", n.feature, width);
  }
  for (const int64_t r : roots) child(r);
  for (const Vote& v : votes)
    if (v.target < 0 || v.target >= targets) fail("a leaf votes for target {} of {}", v.target, targets);
}

size_t Forest::leaf(int64_t root, const double* row) const {
  int64_t at = root;
  for (size_t steps = 0; at >= 0; ++steps) {
    if (steps > nodes.size()) fail("a tree's branches run in a circle");
    const Node& n = nodes[static_cast<size_t>(at)];
    at = holds(*this, n, row[n.feature]) ? n.if_true : n.if_false;
  }
  return static_cast<size_t>(-1 - at);
}

Scores score(const Forest& f, const Features& x, int64_t targets, Aggregate how) {
  f.check(x.width, targets);
  const auto n = static_cast<size_t>(checked_mul(x.rows, targets));
  Scores s{std::vector<double>(n), std::vector<uint8_t>(n)};
  parallel_for(x.rows, 64, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      double* to = s.values.data() + r * targets;
      uint8_t* voted = s.voted.data() + r * targets;
      for (const int64_t root : f.roots) {
        const auto [first, last] = f.leaves[f.leaf(root, x.row(r))];
        for (size_t i = first; i < last; ++i) {
          const Vote& v = f.votes[i];
          double& sum = to[v.target];
          if (how == Aggregate::min || how == Aggregate::max) {
            const bool better = how == Aggregate::min ? v.weight < sum : v.weight > sum;
            if (voted[v.target] == 0 || better) sum = v.weight;
          } else {
            sum += v.weight;
          }
          voted[v.target] = 1;
        }
      }
      if (how == Aggregate::average && !f.roots.empty())
        for (int64_t k = 0; k < targets; ++k) to[k] /= static_cast<double>(f.roots.size());
    }
  });
  return s;
}

}  // namespace lathe::ml
