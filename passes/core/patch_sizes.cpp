#include "passes/core/patch_sizes.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <set>

namespace lathe {
namespace {

constexpr int64_t kLarge = 16;        // dims up to this stay
constexpr int64_t kSmallInteger = 8;  // an axis, a rank, a flag; larger ones may count elements

// Clamped to the size, whatever it is.
bool is_end(int64_t x) {
  return x >= std::numeric_limits<int32_t>::max() || x <= std::numeric_limits<int32_t>::min();
}

bool harmless(int64_t x) { return (x >= -kSmallInteger && x <= kSmallInteger) || is_end(x); }

bool harmless(const Tensor& t) {
  if (!is_integer(t.dtype)) return true;
  if (t.count() > 64) return false;
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

}  // namespace

std::vector<std::map<int64_t, int64_t>> smaller_sizes(const Model& m, const ShapeValues& values,
                                                      std::span<const NodeId> nodes,
                                                      std::span<const ValueId> outside) {
  std::set<int64_t> large, fixed, features;
  for (const ValueId v : outside) {
    const Type& t = m[v].type;
    if (!t.is_tensor() || !t.shape) return {};
    for (const Dim d : *t.shape)
      if (const auto n = d.constant(); n && *n > kLarge) large.insert(*n);
    if (!t.shape->empty() && t.shape->back().is_const()) features.insert(t.shape->back().value());
    if (const auto known = values.find(v); known != values.end())
      for (const Dim d : known->second)
        if (const auto n = d.constant(); n && !harmless(*n)) return {};
  }
  for (const NodeId n : nodes) {
    if (!m.subgraphs(n).empty() || m.function(m[n]) != nullptr || !harmless(m[n].attrs)) return {};
    for (size_t i = 0; i < m[n].in.size(); ++i) {
      const Tensor* t = m[n].in[i] ? m.constant(m[n].in[i]) : nullptr;
      if (t == nullptr) continue;
      if (is_target(m, n, i)) continue;  // if it does not fit any more, it fails
      if (!harmless(*t)) return {};
      fixed.insert(t->dims.begin(), t->dims.end());
    }
  }
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
    constexpr std::array<int64_t, 8> kPrimes = {41, 43, 47, 53, 59, 61, 67, 71};
    size_t next = 0;
    for (const int64_t n : large) {
      if (n <= kPrimes.back() || next == kPrimes.size()) continue;
      sizes[n] = kPrimes[next++];
    }
  }
  std::erase_if(sizes, [](const auto& s) { return s.first == s.second; });
  if (sizes.empty()) return {};
  std::map<int64_t, int64_t> others = sizes;
  std::erase_if(others, [&](const auto& s) { return features.contains(s.first); });
  if (others.empty() || others.size() == sizes.size()) return {std::move(sizes)};
  return {std::move(sizes), std::move(others)};
}

std::unordered_map<ValueId, Datum> smaller_targets(const Model& m, std::span<const NodeId> nodes,
                                                   const std::map<int64_t, int64_t>& sizes) {
  std::unordered_map<ValueId, Datum> targets;
  for (const NodeId n : nodes)
    for (size_t k = 0; k < m[n].in.size(); ++k) {
      const Tensor* t = m[n].in[k] && is_target(m, n, k) ? m.constant(m[n].in[k]) : nullptr;
      if (t == nullptr || t->dtype != DType::I64 || t->rank() != 1) continue;
      std::vector<int64_t> dims;
      for (int64_t i = 0; i < t->count(); ++i) {
        const auto it = sizes.find(t->as_i64(i));
        dims.push_back(it != sizes.end() ? it->second : t->as_i64(i));
      }
      targets.emplace(m[n].in[k], Datum(Tensor::of_i64(std::move(dims))));
    }
  return targets;
}

}  // namespace lathe
