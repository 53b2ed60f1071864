// Local search after the matcher's greedy steps: where an aligned node reads something else than its partner,
// pairing the two sources anew, with the chains above and below them, may leave more edges in agreement.
#include <algorithm>
#include <unordered_set>

#include "passes/diff/matcher.h"

namespace lathe::diff {
namespace {

constexpr size_t kMaxBlock = 48;
constexpr size_t kFewReaders = 4;
constexpr int kRounds = 8;

}  // namespace

int Matcher::total(const std::vector<uint32_t>& nodes) {
  int sum = 0;
  for (const uint32_t x : nodes)
    if (to_b_[x] != kNone) sum += score(x, to_b_[x]).points;
  return sum;
}

// x and y become partners, their former partners partners of each other. The log undoes it.
void Matcher::exchange(uint32_t x, uint32_t y, Log& log) {
  const auto set = [&](std::vector<uint32_t>& side, uint32_t i, uint32_t value) {
    if (i == kNone) return;
    log.emplace_back(&side[i], side[i]);
    side[i] = value;
  };
  const uint32_t old_y = to_b_[x], old_x = to_a_[y];
  set(to_b_, old_x, old_y);
  set(to_a_, old_y, old_x);
  set(to_b_, x, y);
  set(to_a_, y, x);
}

bool Matcher::improve(uint32_t x, uint32_t y) {
  if (!same_op(x, y) || to_b_[x] == y) return false;
  std::vector<std::pair<uint32_t, uint32_t>> block;
  std::unordered_set<uint32_t> seen;
  const auto offer = [&](uint32_t p, uint32_t q) {
    if (block.size() < kMaxBlock && p != kNone && q != kNone && same_op(p, q) && to_b_[p] != q &&
        seen.insert(p).second)
      block.emplace_back(p, q);
  };
  offer(x, y);
  std::vector<uint32_t> touched;
  const auto touch = [&](uint32_t n) {
    if (n == kNone) return;
    touched.push_back(n);
    for (const Operand& o : a_.operands(n))
      if (o.kind == Operand::Kind::node) touched.push_back(o.source);
    const auto readers = a_.readers(n);
    for (size_t i = 0; i < std::min(readers.size(), kMaxReaders); ++i)
      if (readers[i].node != kNone) touched.push_back(readers[i].node);
  };
  for (size_t i = 0; i < block.size(); ++i) {
    const auto [p, q] = block[i];
    touch(p);
    touch(to_a_[q]);
    // What agrees now and would not any more, and chains without branches, go along.
    const uint32_t now = to_b_[p];
    const auto in_p = a_.operands(p), in_q = b_.operands(q);
    const auto in_now = now == kNone ? std::span<const Operand>() : b_.operands(now);
    for (size_t k = 0; k < std::min(in_p.size(), in_q.size()); ++k) {
      if (in_p[k].kind != Operand::Kind::node || in_q[k].kind != Operand::Kind::node) continue;
      const uint32_t s = in_p[k].source, t = in_q[k].source;
      const bool agrees =
          k < in_now.size() && in_now[k].kind == Operand::Kind::node && to_b_[s] == in_now[k].source;
      if (agrees || (a_.readers(s).size() == 1 && b_.readers(t).size() == 1)) offer(s, t);
    }
    const auto read_p = a_.readers(p), read_q = b_.readers(q);
    if (read_p.size() == 1 && read_q.size() == 1) {
      offer(read_p[0].node, read_q[0].node);
    } else if (read_p.size() <= kFewReaders && read_q.size() <= kFewReaders) {
      for (const Reader& r : read_p)
        for (const Reader& o : read_q)
          if (r.node != kNone && o.node != kNone && r.slot == o.slot && r.out == o.out) {
            offer(r.node, o.node);
            break;
          }
    }
  }
  std::sort(touched.begin(), touched.end());
  touched.erase(std::unique(touched.begin(), touched.end()), touched.end());

  // The whole chain may go too far: the best of some of its beginnings, and of the whole, counts.
  int best = total(touched);
  size_t best_length = 0;
  const auto longer = [&](size_t length) { return length < 6 ? length + 1 : length * 2; };
  for (size_t length = 1; length <= block.size();
       length = length == block.size() ? length + 1 : std::min(longer(length), block.size())) {
    Log log;
    for (size_t i = 0; i < length; ++i) exchange(block[i].first, block[i].second, log);
    if (const int now = total(touched); now > best) {
      best = now;
      best_length = length;
    }
    while (!log.empty()) {
      *log.back().first = log.back().second;
      log.pop_back();
    }
  }
  Log log;
  for (size_t i = 0; i < best_length; ++i) exchange(block[i].first, block[i].second, log);
  return best_length > 0;
}

void Matcher::repair() {
  for (int round = 0; round < kRounds; ++round) {
    size_t better = 0;
    for (uint32_t x = 0; x < a_.size(); ++x) {
      if (to_b_[x] == kNone) continue;
      const auto in_x = a_.operands(x);
      for (size_t i = 0; i < in_x.size(); ++i) {
        const uint32_t y = to_b_[x];
        const auto in_y = b_.operands(y);
        if (i >= in_y.size() || in_x[i].kind != Operand::Kind::node || in_y[i].kind != Operand::Kind::node)
          continue;
        const uint32_t p = in_x[i].source, q = in_y[i].source;
        if (to_b_[p] == q) continue;
        if (improve(p, q)) {
          ++better;
          continue;
        }
        // Or x belongs to another reader of what p's partner is.
        if (to_b_[p] == kNone) continue;
        for (const Reader& r : b_.readers(to_b_[p]))
          if (r.node != kNone && r.node != y && r.slot == in_x[i].slot && improve(x, r.node)) {
            ++better;
            break;
          }
      }
    }
    if (better == 0) return;
  }
}

}  // namespace lathe::diff
