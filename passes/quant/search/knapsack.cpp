#include "passes/quant/search/knapsack.h"

#include <algorithm>

namespace lathe {
namespace {

struct State {
  int64_t bytes = 0;
  double loss = 0;
  int32_t before = -1;  // index into the previous group's list
  int32_t pick = 0;
};

// Sorted by size, dominated ones dropped. Ties go to the first made: the result is one, whatever the sort.
void keep_best(std::vector<State>& states) {
  std::stable_sort(states.begin(), states.end(), [](const State& a, const State& b) {
    return a.bytes != b.bytes ? a.bytes < b.bytes : a.loss < b.loss;
  });
  size_t kept = 0;
  for (const State& s : states)
    if (kept == 0 || s.loss < states[kept - 1].loss) states[kept++] = s;
  states.resize(kept);
}

void thin(std::vector<State>& states, size_t most) {
  if (states.size() <= most) return;
  const int64_t low = states.front().bytes, range = states.back().bytes - low;
  const auto step_of = [&](const State& s) {
    return static_cast<int64_t>(static_cast<double>(s.bytes - low) / static_cast<double>(range) *
                                static_cast<double>(most - 1));
  };
  size_t kept = 0;
  for (size_t i = 0; i < states.size(); ++i) {
    // the last of a step has the least loss; the smallest of all stays too
    const bool last = i + 1 == states.size() || step_of(states[i + 1]) != step_of(states[i]);
    if (last || i == 0) states[kept++] = states[i];
  }
  states.resize(kept);
}

}  // namespace

std::vector<Selection> knapsack_front(const std::vector<std::vector<KnapsackChoice>>& groups, size_t most) {
  std::vector<std::vector<State>> lists = {{State{}}};
  for (const auto& group : groups) {
    const std::vector<State>& from = lists.back();
    std::vector<State> next;
    next.reserve(from.size() * group.size());
    for (size_t c = 0; c < group.size(); ++c)
      for (size_t i = 0; i < from.size(); ++i)
        next.push_back({from[i].bytes + group[c].bytes, from[i].loss + group[c].loss, static_cast<int32_t>(i),
                        static_cast<int32_t>(c)});
    keep_best(next);
    thin(next, most);
    lists.push_back(std::move(next));
  }
  std::vector<Selection> front;
  for (const State& end : lists.back()) {
    Selection s{end.bytes, end.loss, std::vector<int>(groups.size())};
    const State* at = &end;
    for (size_t g = groups.size(); g-- > 0;) {
      s.picks[g] = at->pick;
      at = &lists[g][static_cast<size_t>(at->before)];
    }
    front.push_back(std::move(s));
  }
  return front;
}

}  // namespace lathe
