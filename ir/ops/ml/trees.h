// A forest of decision trees in flat arrays, and how its leaves are added up.
#pragma once
#include <vector>

#include "ir/ops/ml/post_transform.h"

namespace lathe::ml {

enum class Branch : uint8_t { leq, lt, gte, gt, eq, neq, member };

struct Vote {
  int64_t target;
  double weight;
};

struct Forest {
  // A child is a node at `i`, or the leaf at `i` as -1 - i.
  struct Node {
    Branch mode = Branch::leq;
    bool missing_is_true = false;  // where a NaN goes
    int64_t feature = 0;
    double split = 0;
    int64_t if_true = 0, if_false = 0;
    size_t members_begin = 0, members_end = 0;
  };
  std::vector<Node> nodes;
  std::vector<double> members;                    // of set tests, each set ascending
  std::vector<int64_t> roots;                     // children too
  std::vector<std::pair<size_t, size_t>> leaves;  // [begin, end) of votes
  std::vector<Vote> votes;

  // Refuses indices and features that are out of range; cycles are found while walking.
  void check(int64_t width, int64_t targets) const;
  // The leaf that a row of features falls to.
  size_t leaf(int64_t root, const double* row) const;
};

enum class Aggregate : uint8_t { average, sum, min, max };

// The scores of every row, [rows, targets]; `voted`, as long, tells which got a vote.
struct Scores {
  std::vector<double> values;
  std::vector<uint8_t> voted;
};
Scores score(const Forest& f, const Features& x, int64_t targets, Aggregate how);

}  // namespace lathe::ml
