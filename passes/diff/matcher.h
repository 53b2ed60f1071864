// Aligns the nodes of one pair of graphs whose surroundings are aligned (align.h).
#pragma once
#include <queue>
#include <vector>

#include "passes/diff/align.h"
#include "passes/diff/colors.h"
#include "passes/diff/scope.h"

namespace lathe::diff {

inline constexpr size_t kMaxReaders = 24;  // readers of one value that are compared one by one

class Matcher {
 public:
  // port_partner: of each input of a, the input of b, or kNone; outputs likewise.
  Matcher(const Scope& a, const Scope& b, Palette& pa, Palette& pb, const Alignment& outer,
          std::vector<uint32_t> inputs, std::vector<uint32_t> outputs);
  void run();

  const std::vector<uint32_t>& partners() const { return to_b_; }  // of a's nodes, or kNone

 private:
  struct Keys {
    std::vector<uint64_t> a, b;
  };
  void by_structure();
  void by_name();
  void by_surroundings();
  void by_leftover_name();
  void propagate(int least);
  // repair.cpp
  using Log = std::vector<std::pair<uint32_t*, uint32_t>>;
  void repair();
  bool improve(uint32_t x, uint32_t y);
  void exchange(uint32_t x, uint32_t y, Log& log);
  int total(const std::vector<uint32_t>& nodes);

  // Aligns nodes whose keys are equal and unique among those not aligned.
  size_t match_unique(const Keys& keys);
  // Aligns all nodes with equal keys, in execution order, each with the best of its candidates.
  void match_all(const Keys& keys);
  void match(uint32_t x, uint32_t y);
  void suggest_neighbours(uint32_t x, uint32_t y);
  void suggest(uint32_t x, uint32_t y);

  // 1: the operands are the same thing; -1: they are not; 0: nothing is known yet.
  int agree(const Operand& x, const Operand& y);
  struct Score {
    int points = 0;
    int links = 0;  // aligned neighbours
  };
  Score score(uint32_t x, uint32_t y);
  // A node that only one side has lies between: what it reads, or who reads it, fits.
  bool bridged(const Operand& x, const Operand& y);
  int bridged_readers(uint32_t x, uint32_t y);
  bool same_op(uint32_t x, uint32_t y) const { return op_a_[x] == op_b_[y]; }

  const Scope &a_, &b_;
  Palette &pa_, &pb_;
  const Alignment& outer_;
  std::vector<uint32_t> inputs_, outputs_, outputs_of_b_;
  Anchors anchors_a_, anchors_b_;
  std::vector<uint32_t> to_b_, to_a_;
  std::vector<uint64_t> op_a_, op_b_;
  Keys local_, weighted_, near_;  // attrs; with weights; within two edges
  Keys forward_;                  // from the inputs, attrs

  struct Candidate {
    int points;
    uint32_t x, y;
    bool operator<(const Candidate& o) const {  // the queue's top: most points, then earliest
      if (points != o.points) return points < o.points;
      if (x != o.x) return x > o.x;
      return y > o.y;
    }
  };
  std::priority_queue<Candidate> queue_;
};

}  // namespace lathe::diff
