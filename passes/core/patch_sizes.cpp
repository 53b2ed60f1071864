#include "passes/core/patch_sizes.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <set>
#include <unordered_set>

namespace lathe {
namespace {

constexpr int64_t kLarge = 12;        // dims up to this stay
constexpr int64_t kSmallInteger = 8;  // an axis, a rank, a flag; larger ones may count elements

// Clamped to the size, whatever it is.
bool is_end(int64_t x) {
  return x >= std::numeric_limits<int32_t>::max() || x <= std::numeric_limits<int32_t>::min();
}

bool harmless(int64_t x) { return (x >= -kSmallInteger && x <= kSmallInteger) || is_end(x); }

// Many integers are indices, codes or a mask: the next size too small for them fails.
bool harmless(const Tensor& t) {
  if (!is_integer(t.dtype) || t.count() > 64) return true;
  for (int64_t i = 0; i < t.count(); ++i)
    if (!harmless(t.as_i64(i))) return false;
  return true;
}

bool harmless(const Attrs& attrs) {
  return std::all_of(attrs.items().begin(), attrs.items().end(), [](const auto& a) {
    const auto* ints = std::get_if<std::vector<int64_t>>(&a.value);
    return ints == nullptr || std::all_of(ints->begin(), ints->end(), [](int64_t x) { return harmless(x); });
  });
}

// Of a Reshape, or a piece of one that Concat puts together.
bool is_target(const Model& m, NodeId n, size_t input) {
  if (!m[n].is("Concat")) return m[n].is("Reshape") && input == 1;
  const auto& uses = m[m[n].output(0)].uses;
  return std::all_of(uses.begin(), uses.end(),
                     [&](const Use& u) { return m[u.node].is("Reshape") && u.slot == 1; });
}

// Constants that both sides read.
std::unordered_set<ValueId> shared_constants(const Model& m, const PatchSides& patch) {
  std::unordered_set<ValueId> before, both;
  for (const NodeId n : patch.before)
    for (const ValueId v : m[n].in)
      if (v && m.constant(v) != nullptr) before.insert(v);
  const auto read_after = [&](ValueId v) {
    if (before.contains(v)) both.insert(v);
  };
  for (const NodeId n : patch.after)
    for (const ValueId v : m[n].in) read_after(v);
  for (const ValueId v : patch.results) read_after(v);
  return both;
}

bool can_be_sampled(const Tensor& t) {
  return (is_floating(t.dtype) || t.dtype == DType::Bool) && bit_width(t.dtype) >= 8;
}

// Element i of `small` in what `large` elements were: the first, the last, and between them evenly.
int64_t spread(int64_t i, int64_t small, int64_t large) {
  return small > 1 ? i * (large - 1) / (small - 1) : 0;
}

Tensor sampled(const Tensor& t, const std::map<int64_t, int64_t>& sizes) {
  std::vector<int64_t> dims = t.dims;
  for (int64_t& d : dims)
    if (const auto it = sizes.find(d); it != sizes.end()) d = it->second;
  Tensor out = Tensor::uninitialized(t.dtype, dims);
  const auto unit = static_cast<size_t>(bit_width(t.dtype) / 8);
  std::byte* to = out.mutable_bytes().data();
  for (int64_t k = 0, n = out.count(); k < n; ++k, to += unit) {
    int64_t rest = k, from = 0, step = 1;
    for (size_t a = dims.size(); a-- > 0; rest /= dims[a], step *= t.dims[a])
      from += spread(rest % dims[a], dims[a], t.dims[a]) * step;
    std::memcpy(to, t.bytes().data() + static_cast<size_t>(from) * unit, unit);
  }
  return out;
}

}  // namespace

std::vector<std::map<int64_t, int64_t>> smaller_sizes(const Model& m, const ShapeValues& values,
                                                      const PatchSides& patch) {
  std::set<int64_t> large, fixed, features;
  for (const ValueId v : patch.outside) {
    const Type& t = m[v].type;
    if (!t.is_tensor() || !t.shape) return {};
    for (const Dim d : *t.shape)
      if (const auto n = d.constant(); n && *n > kLarge) large.insert(*n);
    if (!t.shape->empty() && t.shape->back().is_const()) features.insert(t.shape->back().value());
    if (const auto known = values.find(v); known != values.end())
      for (const Dim d : known->second)
        if (const auto n = d.constant(); n && !harmless(*n)) return {};
  }
  const auto shared = shared_constants(m, patch);
  const auto read = [&](NodeId n) {
    if (!m.subgraphs(n).empty() || m.function(m[n]) != nullptr || !harmless(m[n].attrs)) return false;
    for (size_t i = 0; i < m[n].in.size(); ++i) {
      const ValueId v = m[n].in[i];
      const Tensor* t = v ? m.constant(v) : nullptr;
      if (t == nullptr) continue;
      if (is_target(m, n, i)) continue;  // if it does not fit any more, it fails
      if (!harmless(*t)) return false;
      const bool sampled = shared.contains(v) && can_be_sampled(*t);
      for (const int64_t d : t->dims)
        if (!sampled || d > kLarge) (sampled ? large : fixed).insert(d);
    }
    for (const Attr& a : m[n].attrs.items())  // groups, heads, ...
      if (const auto* count = std::get_if<int64_t>(&a.value)) fixed.insert(*count);
    return true;
  };
  if (!std::all_of(patch.before.begin(), patch.before.end(), read)) return {};
  if (!std::all_of(patch.after.begin(), patch.after.end(), read)) return {};
  for (const int64_t n : fixed) large.erase(n);
  if (large.empty()) return {};

  // Halved together as often as all can be: sizes that are ratios of each other (strides) stay so. Else
  // primes.
  int halvings = 63;
  for (const int64_t n : large) {
    int fits = std::countr_zero(static_cast<uint64_t>(n));
    while (n >> fits < 5) --fits;
    halvings = std::min(halvings, fits);
  }
  std::map<int64_t, int64_t> sizes;
  constexpr int64_t kSmall = 64;
  if (*large.rbegin() >> halvings <= kSmall) {
    for (const int64_t n : large) sizes[n] = n >> halvings;
  } else {
    // Not the smallest primes, which symbols get (seed_inputs.h).
    constexpr std::array<int64_t, 10> kPrimes = {13, 17, 19, 23, 29, 31, 37, 41, 43, 47};
    size_t next = 0;
    for (const int64_t n : large) {
      while (next < kPrimes.size() && fixed.contains(kPrimes[next])) ++next;
      if (next == kPrimes.size()) break;
      if (n > kPrimes[next]) sizes[n] = kPrimes[next++];
    }
  }
  std::erase_if(sizes, [](const auto& s) { return s.first == s.second; });
  if (sizes.empty()) return {};
  std::map<int64_t, int64_t> others = sizes;
  std::erase_if(others, [&](const auto& s) { return features.contains(s.first); });
  if (others.empty() || others.size() == sizes.size()) return {std::move(sizes)};
  return {std::move(sizes), std::move(others)};
}

std::unordered_map<ValueId, Datum> smaller_constants(const Model& m, const PatchSides& patch,
                                                     const std::map<int64_t, int64_t>& sizes) {
  std::unordered_map<ValueId, Datum> constants;
  const auto add = [&](NodeId n) {
    for (size_t k = 0; k < m[n].in.size(); ++k) {
      const Tensor* t = m[n].in[k] && is_target(m, n, k) ? m.constant(m[n].in[k]) : nullptr;
      if (t == nullptr || t->dtype != DType::I64 || t->rank() != 1) continue;
      std::vector<int64_t> dims;
      for (int64_t i = 0; i < t->count(); ++i) {
        const auto it = sizes.find(t->as_i64(i));
        dims.push_back(it != sizes.end() ? it->second : t->as_i64(i));
      }
      constants.emplace(m[n].in[k], Datum(Tensor::of_i64(std::move(dims))));
    }
  };
  std::for_each(patch.before.begin(), patch.before.end(), add);
  std::for_each(patch.after.begin(), patch.after.end(), add);
  for (const ValueId v : shared_constants(m, patch)) {
    const Tensor& t = *m.constant(v);
    const auto shrinks = [&](int64_t d) { return sizes.contains(d); };
    if (can_be_sampled(t) && std::any_of(t.dims.begin(), t.dims.end(), shrinks))
      constants.emplace(v, Datum(sampled(t, sizes)));
  }
  return constants;
}

}  // namespace lathe
