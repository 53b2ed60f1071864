// The multiple-choice knapsack: one choice out of each group, so that no other selection is both smaller and
// better. All such selections at once, by merging the groups' lists and dropping what is dominated (Nemhauser
// and Ullman, "Discrete Dynamic Programming and Capital Allocation", Management Science 1969).
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace lathe {

struct KnapsackChoice {
  int64_t bytes = 0;
  double loss = 0;  // at least 0
};

struct Selection {
  int64_t bytes = 0;
  double loss = 0;
  std::vector<int> picks;  // a choice of each group
};

// By size, loss strictly falling. Exact while no merged list is longer than `most`; a longer one keeps the
// best selection of each of `most` equal steps of size, so the answer is off by at most groups / most of the
// range of sizes. Groups must not be empty.
std::vector<Selection> knapsack_front(const std::vector<std::vector<KnapsackChoice>>& groups,
                                      size_t most = 20'000);

}  // namespace lathe
