#include "passes/diff/matcher.h"

#include <algorithm>
#include <unordered_map>

#include "ir/base/hash.h"

namespace lathe::diff {
namespace {

constexpr size_t kMaxPairs = 4096;  // candidates compared one by one among nodes of equal structure
constexpr int kAligned = 4, kAgainst = 3, kBridged = 3;
constexpr size_t kFewReaders = 4;

struct Bucket {
  std::vector<uint32_t> a, b;
};

// Nodes that are not aligned yet, by key.
std::unordered_map<uint64_t, Bucket> buckets(const std::vector<uint64_t>& ka, const std::vector<uint64_t>& kb,
                                             const std::vector<uint32_t>& to_b,
                                             const std::vector<uint32_t>& to_a) {
  std::unordered_map<uint64_t, Bucket> out;
  for (uint32_t i = 0; i < ka.size(); ++i)
    if (to_b[i] == kNone && ka[i] != 0) out[ka[i]].a.push_back(i);
  for (uint32_t i = 0; i < kb.size(); ++i)
    if (to_a[i] == kNone && kb[i] != 0)
      if (const auto it = out.find(kb[i]); it != out.end()) it->second.b.push_back(i);
  return out;
}

std::vector<uint64_t> combined(const std::vector<uint64_t>& x, const std::vector<uint64_t>& y) {
  std::vector<uint64_t> out(x.size());
  for (size_t i = 0; i < x.size(); ++i) out[i] = hash_combine(x[i], y[i]);
  return out;
}

std::string_view name_of(const Scope& s, uint32_t i) {
  const Node& n = s.node(i);
  if (!n.name.empty()) return n.name;
  return !n.out.empty() && n.out[0] ? std::string_view(s.model()[n.out[0]].name) : std::string_view();
}

bool same_output_name(const Scope& a, uint32_t x, const Scope& b, uint32_t y) {
  const ValueId va = a.node(x).output(0), vb = b.node(y).output(0);
  return va && vb && !a.model()[va].name.empty() && a.model()[va].name == b.model()[vb].name;
}

// Colors of ports: equal for partners.
void port_colors(const std::vector<uint32_t>& partner, size_t count_b, std::vector<uint64_t>& a,
                 std::vector<uint64_t>& b) {
  b.assign(count_b, 7);
  for (size_t i = 0; i < partner.size(); ++i) {
    a.push_back(partner[i] == kNone ? 9 : mix(i + 0x9017));
    if (partner[i] != kNone) b[partner[i]] = a.back();
  }
}

}  // namespace

Matcher::Matcher(const Scope& a, const Scope& b, Palette& pa, Palette& pb, const Alignment& outer,
                 std::vector<uint32_t> inputs, std::vector<uint32_t> outputs)
    : a_(a),
      b_(b),
      pa_(pa),
      pb_(pb),
      outer_(outer),
      inputs_(std::move(inputs)),
      outputs_(std::move(outputs)),
      to_b_(a.size(), kNone),
      to_a_(b.size(), kNone) {
  anchors_a_.outer = &outer.value_a_to_b;
  anchors_b_.outer = &outer.value_b_to_a;
  anchors_b_.is_a = false;
  port_colors(inputs_, b.model()[b.graph()].inputs.size(), anchors_a_.inputs, anchors_b_.inputs);
  port_colors(outputs_, b.results().size(), anchors_a_.outputs, anchors_b_.outputs);
  outputs_of_b_.assign(b.results().size(), kNone);
  for (uint32_t i = 0; i < outputs_.size(); ++i)
    if (outputs_[i] != kNone) outputs_of_b_[outputs_[i]] = i;
  for (uint32_t i = 0; i < a.size(); ++i) op_a_.push_back(pa.op(a.id(i)));
  for (uint32_t i = 0; i < b.size(); ++i) op_b_.push_back(pb.op(b.id(i)));
  local_ = {local_colors(a, pa, Detail::attrs), local_colors(b, pb, Detail::attrs)};
  weighted_ = {local_colors(a, pa, Detail::weights), local_colors(b, pb, Detail::weights)};
}

void Matcher::run() {
  if (a_.size() == 0 || b_.size() == 0) return;
  by_structure();
  near_.a =
      ball_colors(a_, pa_, Detail::weights, weighted_.a, std::vector<uint64_t>(a_.size(), 0), anchors_a_, 2);
  near_.b =
      ball_colors(b_, pb_, Detail::weights, weighted_.b, std::vector<uint64_t>(b_.size(), 0), anchors_b_, 2);
  by_name();
  by_surroundings();
  for (uint32_t x = 0; x < to_b_.size(); ++x)
    if (to_b_[x] != kNone) suggest_neighbours(x, to_b_[x]);
  propagate(kAligned);
  by_surroundings();
  propagate(kAligned);
  repair();
  for (uint32_t x = 0; x < to_b_.size(); ++x)
    if (to_b_[x] != kNone) suggest_neighbours(x, to_b_[x]);
  by_leftover_name();
  propagate(1);
  match_all(forward_);  // equal values that nothing tells apart
  repair();
}

void Matcher::by_structure() {
  Keys both[2];
  for (const Detail d : {Detail::weights, Detail::attrs, Detail::ops}) {
    const Keys local = d == Detail::weights ? weighted_
                       : d == Detail::attrs ? local_
                                            : Keys{local_colors(a_, pa_, d), local_colors(b_, pb_, d)};
    both[0] = {forward_colors(a_, pa_, d, local.a, anchors_a_),
               forward_colors(b_, pb_, d, local.b, anchors_b_)};
    both[1] = {backward_colors(a_, local.a, anchors_a_), backward_colors(b_, local.b, anchors_b_)};
    match_all({combined(both[0].a, both[1].a), combined(both[0].b, both[1].b)});
    match_unique(both[0]);
    match_unique(both[1]);
    if (d == Detail::attrs) forward_ = std::move(both[0]);
  }
}

void Matcher::by_name() {
  const auto keys = [](const Scope& s, const std::vector<uint64_t>& near) {
    std::vector<uint64_t> out(s.size(), 0);
    for (uint32_t i = 0; i < s.size(); ++i)
      if (const auto name = name_of(s, i); !name.empty()) out[i] = hash_string(name, near[i]);
    return out;
  };
  match_unique({keys(a_, near_.a), keys(b_, near_.b)});
  match_unique({keys(a_, local_.a), keys(b_, local_.b)});
}

void Matcher::by_surroundings() {
  constexpr int kRadii[] = {6, 3, 1};
  constexpr int kRounds = 4;
  for (int round = 0; round < kRounds; ++round) {
    size_t found = 0;
    for (const int radius : kRadii) {
      std::vector<uint64_t> fixed_a(a_.size(), 0), fixed_b(b_.size(), 0);
      for (uint32_t x = 0; x < to_b_.size(); ++x)
        if (to_b_[x] != kNone) fixed_a[x] = fixed_b[to_b_[x]] = mix(x + 1);
      found +=
          match_unique({ball_colors(a_, pa_, Detail::weights, weighted_.a, fixed_a, anchors_a_, radius),
                        ball_colors(b_, pb_, Detail::weights, weighted_.b, fixed_b, anchors_b_, radius)});
    }
    if (found == 0) return;
  }
}

void Matcher::by_leftover_name() {
  const auto keys = [](const Scope& s, const std::vector<uint64_t>& op) {
    std::vector<uint64_t> out(s.size(), 0);
    for (uint32_t i = 0; i < s.size(); ++i)
      if (const auto name = name_of(s, i); !name.empty()) out[i] = hash_string(name, op[i]);
    return out;
  };
  const auto ka = keys(a_, op_a_), kb = keys(b_, op_b_);
  for (const auto& [key, bucket] : buckets(ka, kb, to_b_, to_a_))
    if (bucket.a.size() == 1 && bucket.b.size() == 1) suggest(bucket.a[0], bucket.b[0]);
}

size_t Matcher::match_unique(const Keys& keys) {
  size_t found = 0;
  for (const auto& [key, bucket] : buckets(keys.a, keys.b, to_b_, to_a_))
    if (bucket.a.size() == 1 && bucket.b.size() == 1 && same_op(bucket.a[0], bucket.b[0])) {
      match(bucket.a[0], bucket.b[0]);
      ++found;
    }
  return found;
}

void Matcher::match_all(const Keys& keys) {
  auto all = buckets(keys.a, keys.b, to_b_, to_a_);
  for (uint32_t x = 0; x < a_.size(); ++x) {
    if (to_b_[x] != kNone) continue;
    const auto it = all.find(keys.a[x]);
    if (it == all.end() || it->second.b.empty()) continue;
    auto& candidates = it->second.b;
    size_t best = 0;
    if (candidates.size() > 1 && candidates.size() * it->second.a.size() <= kMaxPairs) {
      int most = score(x, candidates[0]).points;
      for (size_t i = 1; i < candidates.size(); ++i)
        if (const int points = score(x, candidates[i]).points; points > most) {
          most = points;
          best = i;
        }
    }
    const uint32_t y = candidates[best];
    candidates.erase(candidates.begin() + static_cast<ptrdiff_t>(best));
    if (same_op(x, y)) match(x, y);
  }
}

void Matcher::match(uint32_t x, uint32_t y) {
  to_b_[x] = y;
  to_a_[y] = x;
}

int Matcher::agree(const Operand& x, const Operand& y) {
  using Kind = Operand::Kind;
  if (x.kind == Kind::constant && y.kind == Kind::constant) {
    if (pa_.constant(x.value, Detail::weights) == pb_.constant(y.value, Detail::weights)) return 1;
    return pa_.constant(x.value, Detail::ops) == pb_.constant(y.value, Detail::ops) ? 0 : -1;
  }
  if (x.kind != y.kind) return -1;
  switch (x.kind) {
    case Kind::node:
      if (to_b_[x.source] == kNone && to_a_[y.source] == kNone) return same_op(x.source, y.source) ? 0 : -1;
      return to_b_[x.source] == y.source && x.out == y.out ? 1 : -1;
    case Kind::port:
      return inputs_[x.source] == y.source ? 1 : -1;
    case Kind::outer:
      return outer_.value_a_to_b[x.value.v] == y.value ? 1 : -1;
    default:
      return 0;
  }
}

Matcher::Score Matcher::score(uint32_t x, uint32_t y) {
  Score total;
  const auto take = [&](const Operand& p, const Operand& q, int agreed) {
    if (p.kind == Operand::Kind::none && q.kind == Operand::Kind::none) return;
    const bool constant = p.kind == Operand::Kind::constant && q.kind == Operand::Kind::constant;
    if (agreed > 0) {
      total.points += constant ? 2 : kAligned;
      total.links += constant ? 0 : 1;
    } else if (bridged(p, q)) {
      total.points += kBridged;
      ++total.links;
    } else if (agreed < 0) {
      total.points -= kAgainst;
    }
  };
  const auto in_x = a_.operands(x), in_y = b_.operands(y);
  const size_t common = std::min(in_x.size(), in_y.size());
  if (common >= 2 && is_commutative(a_.node(x)) &&
      agree(in_x[0], in_y[0]) + agree(in_x[1], in_y[1]) < agree(in_x[0], in_y[1]) + agree(in_x[1], in_y[0])) {
    take(in_x[0], in_y[1], agree(in_x[0], in_y[1]));
    take(in_x[1], in_y[0], agree(in_x[1], in_y[0]));
  } else {
    for (size_t i = 0; i < common; ++i) take(in_x[i], in_y[i], agree(in_x[i], in_y[i]));
  }
  total.points -= static_cast<int>(std::max(in_x.size(), in_y.size()) - common);

  int used = 0, against = 0;
  const auto read_x = a_.readers(x), read_y = b_.readers(y);
  for (size_t i = 0; i < std::min(read_x.size(), kMaxReaders); ++i) {
    const Reader& r = read_x[i];
    const uint32_t partner = r.node == kNone ? outputs_[r.slot] : to_b_[r.node];
    if (partner == kNone) continue;
    const bool swaps = r.node != kNone && is_commutative(a_.node(r.node));
    const bool there = std::any_of(read_y.begin(), read_y.end(), [&](const Reader& q) {
      if (q.out != r.out) return false;
      if (r.node == kNone) return q.node == kNone && q.slot == partner;
      return q.node == partner && (swaps || q.slot == r.slot);
    });
    (there ? used : against) += 1;
  }
  const int bridges = used == 0 ? bridged_readers(x, y) : 0;
  total.links += std::min(used, 2) + bridges;
  total.points += kAligned * std::min(used, 2) + kBridged * bridges -
                  kAgainst * std::max(std::min(against, 2) - bridges, 0);

  if (local_.a[x] == local_.b[y]) total.points += 2;
  if (!near_.a.empty() && near_.a[x] == near_.b[y]) total.points += 2;
  if (!a_.node(x).name.empty() && a_.node(x).name == b_.node(y).name) total.points += 3;
  if (same_output_name(a_, x, b_, y)) total.points += 3;
  return total;
}

bool Matcher::bridged(const Operand& x, const Operand& y) {
  if (x.kind == Operand::Kind::node && to_b_[x.source] == kNone)
    for (const Operand& o : a_.operands(x.source))
      if (o.kind != Operand::Kind::constant && o.kind != Operand::Kind::none && agree(o, y) > 0) return true;
  if (y.kind == Operand::Kind::node && to_a_[y.source] == kNone)
    for (const Operand& o : b_.operands(y.source))
      if (o.kind != Operand::Kind::constant && o.kind != Operand::Kind::none && agree(x, o) > 0) return true;
  return false;
}

int Matcher::bridged_readers(uint32_t x, uint32_t y) {
  const auto read_x = a_.readers(x), read_y = b_.readers(y);
  if (read_x.size() > kFewReaders || read_y.size() > kFewReaders) return 0;
  // Does a reader of a reader on one side, across a node without a partner, read directly on the other?
  const auto across = [](const Scope& s, std::span<const Reader> near, const std::vector<uint32_t>& partner,
                         std::span<const Reader> far, const std::vector<uint32_t>& outputs) {
    for (const Reader& r : near) {
      if (r.node == kNone || partner[r.node] != kNone) continue;
      for (const Reader& q : s.readers(r.node).first(std::min(s.readers(r.node).size(), kFewReaders))) {
        const uint32_t want = q.node == kNone ? outputs[q.slot] : partner[q.node];
        for (const Reader& f : far)
          if (want != kNone && (q.node == kNone ? f.node == kNone && f.slot == want : f.node == want))
            return true;
      }
    }
    return false;
  };
  return across(a_, read_x, to_b_, read_y, outputs_) || across(b_, read_y, to_a_, read_x, outputs_of_b_) ? 1
                                                                                                         : 0;
}

void Matcher::suggest(uint32_t x, uint32_t y) {
  if (to_b_[x] != kNone || to_a_[y] != kNone || !same_op(x, y)) return;
  queue_.push({score(x, y).points, x, y});
}

void Matcher::suggest_neighbours(uint32_t x, uint32_t y) {
  const auto in_x = a_.operands(x), in_y = b_.operands(y);
  const bool swaps = is_commutative(a_.node(x));
  for (const Operand& p : in_x)
    for (const Operand& q : in_y)
      if (p.kind == Operand::Kind::node && q.kind == Operand::Kind::node && (p.slot == q.slot || swaps)) {
        suggest(p.source, q.source);
        if (to_b_[p.source] != kNone || to_a_[q.source] != kNone) continue;
        for (const Operand& over : a_.operands(p.source))
          if (over.kind == Operand::Kind::node) suggest(over.source, q.source);
        for (const Operand& over : b_.operands(q.source))
          if (over.kind == Operand::Kind::node) suggest(p.source, over.source);
      }
  const auto read_x = a_.readers(x), read_y = b_.readers(y);
  for (size_t i = 0; i < std::min(read_x.size(), kMaxReaders); ++i)
    for (size_t k = 0; k < std::min(read_y.size(), kMaxReaders); ++k)
      if (read_x[i].node != kNone && read_y[k].node != kNone && read_x[i].out == read_y[k].out)
        suggest(read_x[i].node, read_y[k].node);
  if (read_x.size() > kFewReaders || read_y.size() > kFewReaders) return;
  const auto over = [](const Scope& s, const Reader& r) {
    return r.node == kNone ? std::span<const Reader>()
                           : s.readers(r.node).first(std::min(s.readers(r.node).size(), kFewReaders));
  };
  for (const Reader& r : read_x)
    for (const Reader& q : read_y) {
      if (r.node == kNone || q.node == kNone) continue;
      if (to_b_[r.node] == kNone)
        for (const Reader& far : over(a_, r))
          if (far.node != kNone) suggest(far.node, q.node);
      if (to_a_[q.node] == kNone)
        for (const Reader& far : over(b_, q))
          if (far.node != kNone) suggest(r.node, far.node);
    }
}

void Matcher::propagate(int least) {
  while (!queue_.empty()) {
    const Candidate c = queue_.top();
    queue_.pop();
    if (to_b_[c.x] != kNone || to_a_[c.y] != kNone) continue;
    const Score now = score(c.x, c.y);
    if (now.points < c.points) {  // what was known when it was suggested has changed
      queue_.push({now.points, c.x, c.y});
      continue;
    }
    if (now.points < least || (now.links == 0 && least >= kAligned)) continue;
    match(c.x, c.y);
    suggest_neighbours(c.x, c.y);
  }
}

}  // namespace lathe::diff
